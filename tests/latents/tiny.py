"""A tiny random model on disk and texts that it can read; real, only small."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from saesteer.saes import SAEConfig
from saesteer.saes.relu import ReLUSAE
from saesteer.saes.topk import TopKSAE

WORDS = [
    "the",
    "a",
    "bride",
    "groom",
    "wedding",
    "ring",
    "sea",
    "ship",
    "wave",
    "sailor",
    "saw",
    "kissed",
    "loved",
    "crossed",
    "old",
    "young",
    ".",
    ",",
    "and",
]
WIDTH, D_SAE = 32, 48


def save_model(folder: Path, seed: int = 0) -> Path:
    """A Llama of two layers with a word tokenizer, BOS first, in plain Hugging Face format."""
    pieces = ["<pad>", "<bos>", "<eos>", "<unk>", *(f"\u2581{word}" for word in WORDS)]
    tokenizer = Tokenizer(models.WordLevel({each: i for i, each in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    names = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(pieces),
        hidden_size=WIDTH,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.3,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def sae(architecture: str = "topk", seed: int = 0, hook_name: str = "layers.0", d_in: int = WIDTH):
    """A random SAE."""
    draw = torch.Generator().manual_seed(seed)
    tensors = {
        "W_enc": torch.randn(d_in, D_SAE, generator=draw),
        "W_dec": torch.randn(D_SAE, d_in, generator=draw),
        "b_enc": torch.randn(D_SAE, generator=draw),
        "b_dec": torch.zeros(d_in),
    }
    if architecture == "topk":
        return TopKSAE(SAEConfig("topk", d_in, D_SAE, hook_name=hook_name, k=6), tensors)
    return ReLUSAE(SAEConfig("standard", d_in, D_SAE, hook_name=hook_name), tensors)


def sentences(n: int, seed: int = 0, words=WORDS) -> list[str]:
    """Different random sentences of 3 to 12 words."""
    draw = torch.Generator().manual_seed(seed)
    found: dict[str, None] = {}
    while len(found) < n:
        length = int(torch.randint(3, 13, (), generator=draw))
        found.setdefault(
            " ".join(words[int(i)] for i in torch.randint(len(words), (length,), generator=draw))
        )
    return list(found)
