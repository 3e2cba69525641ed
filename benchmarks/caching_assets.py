"""What the benchmarks of caching and of examples share: a random Llama, a TopK SAE that suits it, tokens."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from torch import Tensor

LAYER = 4
NUMBERS = {"width": 512, "latents": 16_384, "k": 32, "vocab": 32_000, "context": 256, "threads": 2}


def add_arguments(parser: argparse.ArgumentParser, **more: int) -> None:
    for name, default in (NUMBERS | more).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)


def repeated(a: argparse.Namespace, *more: str) -> list[str]:
    """The same arguments for another process."""
    return [
        part for name in (*NUMBERS, *more) for part in (f"--{name.replace('_', '-')}", str(getattr(a, name)))
    ]


def tokens(a: argparse.Namespace, rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(3, a.vocab, size=(rows, a.context), dtype=np.int64)


def model(a: argparse.Namespace) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=a.width,
        num_hidden_layers=8,
        num_attention_heads=8,
        intermediate_size=a.width * 11 // 4,
        vocab_size=a.vocab,
        max_position_embeddings=a.context,
    )
    return LlamaForCausalLM(config).eval()


def cut(hf: Any) -> Any:
    """The body up to the hooked layer, without a head."""
    body = hf.model
    body.layers = body.layers[: LAYER + 1]
    body.config.num_hidden_layers = LAYER + 1
    body.norm = torch.nn.Identity()
    return body


def sae_tensors(a: argparse.Namespace, hf: Any) -> dict[str, Tensor]:
    """Pre-activations of spread 1 around -1.5, so that the k largest of a token are all positive."""
    seen: list[Tensor] = []
    handle = hf.model.layers[LAYER].register_forward_hook(
        lambda module, inputs, output: seen.append(output[0] if isinstance(output, tuple) else output)
    )
    with torch.no_grad():
        hf.model(torch.from_numpy(tokens(a, 8)), use_cache=False)
    handle.remove()
    x = seen[0].flatten(0, 1)
    b_dec = x.mean(0)
    rows = torch.randn(a.latents, a.width, generator=torch.Generator().manual_seed(1))
    rows /= rows.norm(dim=1, keepdim=True)
    W_enc = (rows / ((x[:256] - b_dec) @ rows.T).std()).T.contiguous()
    return {"W_enc": W_enc, "W_dec": rows, "b_enc": torch.full((a.latents,), -1.5), "b_dec": b_dec}


def cached(a: argparse.Namespace, root: str, rows: int, **options: Any) -> Any:
    """A function that caches these rows with saesteer, in a folder below `root`."""
    from saesteer.cache import cache_latents
    from saesteer.model import LanguageModel
    from saesteer.saes import SAEConfig, TopKSAE

    hf = model(a)
    sae = TopKSAE(SAEConfig("topk", a.width, a.latents, k=a.k), sae_tensors(a, hf))
    lm, ids = LanguageModel(hf, name="benchmark"), tokens(a, rows)
    return lambda: cache_latents(root, lm, sae, ids, at=f"layers.{LAYER}", context=a.context, **options)
