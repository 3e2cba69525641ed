"""A tiny random model with the world's tokenizer, SAEs of the right and of a wrong width, real processes."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from saesteer.saes import SAEConfig, TopKSAE
from saesteer.world.story import tell
from saesteer.world.tokens import build_tokenizer

WIDTH, D_SAE, LAYERS = 32, 64, 4
ENTRY = "import sys; from saesteer.cli.main import main; sys.exit(main())"


@dataclass(frozen=True)
class Place:
    """Where things lie."""

    root: Path

    @property
    def model(self) -> str:
        return str(self.root / "lm")

    @property
    def sae(self) -> str:
        return str(self.root / "sae")

    @property
    def wrong_sae(self) -> str:
        return str(self.root / "wrong")

    @property
    def texts(self) -> Path:
        return self.root / "texts.txt"


def make(root: Path) -> Place:
    """Everything on disk, from fixed seeds."""
    place = Place(root)
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(place.model)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=48,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(place.model)
    make_sae(WIDTH).save(place.sae)
    make_sae(2 * WIDTH).save(place.wrong_sae)
    place.texts.write_text("\n".join(tell(seed).text for seed in range(12)), encoding="utf-8")
    return place


def make_sae(d_in: int) -> TopKSAE:
    draw = torch.Generator().manual_seed(0)
    tensors = {
        "W_enc": torch.randn(d_in, D_SAE, generator=draw),
        "W_dec": torch.randn(D_SAE, d_in, generator=draw),
        "b_enc": torch.zeros(D_SAE),
        "b_dec": torch.zeros(d_in),
    }
    return TopKSAE(SAEConfig("topk", d_in, D_SAE, hook_name="layers.3", k=6), tensors)


def process(*arguments: object, code: str = ENTRY, **options) -> subprocess.CompletedProcess[bytes]:
    """A real process, whose output is bytes."""
    given = [sys.executable, "-c", code, *map(str, arguments)]
    options = {"capture_output": True, "env": environment()} | options
    return subprocess.run(given, **options)


def environment() -> dict[str, str]:
    """Every warning of ours would be seen; no colours, one width."""
    source = str(Path(__file__).parents[2] / "src")
    return os.environ | {"PYTHONPATH": source, "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
