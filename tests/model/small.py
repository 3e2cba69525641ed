"""A small random model of each family, made from its own config class, a tokenizer for it, and edits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from saesteer.model import LanguageModel, Positions

VOCABULARY = 64
_SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,  # far from a model that says the same of every token
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_NEOX = {name: value for name, value in _SIZES.items() if name != "num_key_value_heads"}
_GPT2: dict[str, Any] = {
    "vocab_size": VOCABULARY, "n_embd": 16, "n_inner": 24, "n_layer": 3, "n_head": 4, "n_positions": 64,
    "initializer_range": 0.3, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
_GEMMA = {**_SIZES, "head_dim": 8}  # heads together wider than the residual

# name -> (config class, its fields). `gpt_neox_sequential` is the same family with its other residual.
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2Config", _GPT2),
    "gpt_neox": ("GPTNeoXConfig", _NEOX),
    "gpt_neox_sequential": ("GPTNeoXConfig", {**_NEOX, "use_parallel_residual": False}),
    "llama": ("LlamaConfig", _SIZES),
    "mistral": ("MistralConfig", {**_SIZES, "sliding_window": 4}),
    "qwen2": ("Qwen2Config", _SIZES),
    "qwen3": ("Qwen3Config", {**_SIZES, "head_dim": 8}),
    "gemma": ("GemmaConfig", _GEMMA),
    "gemma2": ("Gemma2Config", {**_GEMMA, "sliding_window": 4}),
    "gemma3_text": (
        "Gemma3TextConfig",
        {
            **_GEMMA,
            "sliding_window": 4,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
    ),
    "phi3": ("Phi3Config", _SIZES),
    "olmo2": ("Olmo2Config", _SIZES),
}  # fmt: skip
SEQUENTIAL = [name for name in CONFIGS if name != "gpt_neox"]
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@cache
def build(name: str, attention: str = "sdpa", dtype: str = "float32") -> Any:
    """The Hugging Face model; the same object on every call, so no test may change it."""
    kind, fields = CONFIGS[name]
    config = getattr(transformers, kind)(**fields)
    torch.manual_seed(0)
    if attention == "sdpa" and name == "gemma2":
        attention = "eager"  # softcapping, which sdpa cannot do
    hf = AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=PRECISIONS[dtype])
    if not hf.config.tie_word_embeddings:
        hf.get_output_embeddings().weight.data.mul_(4)  # a model with opinions, not one that says anything
    for parameter in hf.parameters():  # norms and biases too: 1 and 0 hide what is left out
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 0.7, 0.2)
    return hf.eval().requires_grad_(False)


WORDS = ["[pad]", "[bos]", "[eos]", "[unk]", "the", "a", "cat", "dog", "sat", "ran", "on", "in", "mat", "."]
WORDS += [f"w{number}" for number in range(VOCABULARY - len(WORDS))]


def tokenizer(**special: str) -> PreTrainedTokenizerFast:
    """One token for each word; a text decodes to itself."""
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[unk]"))
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    words.model = models.WordLevel(
        {word if word[0] == "[" else f"▁{word}": i for i, word in enumerate(WORDS)}, unk_token="[unk]"
    )
    words.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[unk]", **special)


def language_model(
    name: str, attention: str = "sdpa", dtype: str = "float32", **options: Any
) -> LanguageModel:
    special = {"bos_token": "[bos]", "eos_token": "[eos]", "pad_token": "[pad]"}
    if name == "gpt2":
        special = dict.fromkeys(special, "[bos]")
    return LanguageModel(build(name, attention, dtype), tokenizer(**special), name, **options)


@dataclass(frozen=True)
class Apply:
    """An edit that is a function of the activation alone."""

    hookpoint: str
    change: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor, at: Positions) -> Tensor:
        return self.change(x)


@dataclass(frozen=True)
class Add:
    """Adds `value` where `where(at)` holds."""

    hookpoint: str
    value: float | Tensor
    where: Callable[[Positions], Tensor] = lambda at: at.mask

    def __call__(self, x: Tensor, at: Positions) -> Tensor:
        return torch.where(self.where(at)[..., None], x + self.value, x)
