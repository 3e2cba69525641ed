"""Time decoding of sparse latents beside the dense product and peers: the same latents, one output checked.

    python benchmarks/sparse_decode.py

Columns: saesteer (SAE.decode_sparse); dense, latents that stand ready times W_dec; bag, torch's embedding_bag
alone (the floor of any code on top of it); sae_lens and sparsify by their own decode, where installed. Rounds
of all columns alternate in one process. Quote the ratio: the median over rounds of dense over the column.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

Decode = Callable[[], Tensor]


def columns(a: argparse.Namespace, W_dec: Tensor, indices: Tensor, values: Tensor) -> dict[str, Decode]:
    from saesteer.saes import SAEConfig, SparseLatents, TopKSAE

    b_dec = torch.zeros(a.width)
    z = torch.zeros(a.tokens, a.latents).scatter(1, indices, values)
    tensors = {"W_enc": W_dec.T.contiguous(), "W_dec": W_dec, "b_enc": torch.zeros(a.latents), "b_dec": b_dec}
    sae = TopKSAE(SAEConfig(architecture="topk", d_in=a.width, d_sae=a.latents, k=a.k), tensors)
    latents = SparseLatents(indices, values, a.latents)
    found: dict[str, Decode] = {
        "dense": lambda: torch.addmm(b_dec, z, W_dec),
        "saesteer": lambda: sae.decode_sparse(latents),
        "bag": lambda: F.embedding_bag(indices, W_dec, per_sample_weights=values, mode="sum"),
    }
    if importlib.util.find_spec("sparsify"):
        from sparsify import SparseCoder, SparseCoderConfig

        theirs = SparseCoder(a.width, SparseCoderConfig(num_latents=a.latents, k=a.k))
        theirs.W_dec.data.copy_(W_dec)
        found["sparsify"] = lambda: theirs.decode(values, indices)
    if importlib.util.find_spec("sae_lens"):
        from sae_lens.saes.topk_sae import TopKSAE as Theirs
        from sae_lens.saes.topk_sae import TopKSAEConfig

        lens = Theirs(TopKSAEConfig(d_in=a.width, d_sae=a.latents, k=a.k, dtype="float32", device="cpu"))
        lens.W_dec.data.copy_(W_dec)
        found["sae_lens"] = lambda: lens.decode(z)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = {"tokens": 4096, "width": 512, "latents": 16_384, "k": 32, "rounds": 11, "threads": 2}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    draw = torch.Generator().manual_seed(0)
    W_dec = F.normalize(torch.randn(a.latents, a.width, generator=draw), dim=-1)
    indices = torch.rand(a.tokens, a.latents, generator=draw).topk(a.k, dim=-1).indices
    values = torch.rand(a.tokens, a.k, generator=draw) + 0.5
    with torch.inference_mode():
        decoders = columns(a, W_dec, indices, values)
        want = decoders["dense"]()
        seconds: dict[str, list[float]] = {name: [] for name in decoders}
        for number in range(a.rounds + 1):
            for name, decode in decoders.items():
                began = time.perf_counter()
                told = decode()
                if number:
                    seconds[name].append(time.perf_counter() - began)
                elif not torch.allclose(told, want, atol=1e-4):
                    raise SystemExit(f"{name} decodes to something else")
    print(f"{a.tokens} tokens, width {a.width}, {a.latents} latents, k {a.k}, {a.threads} threads\n")
    print("| column | ms | times as fast as dense |\n|---|---|---|")
    record = {}
    for name, each in seconds.items():
        ratios = sorted(one / two for one, two in zip(seconds["dense"], each, strict=True))
        record[name] = {"ms": statistics.median(each) * 1e3, "ratio": statistics.median(ratios)}
        print(f"| {name} | {record[name]['ms']:.2f} | {record[name]['ratio']:.2f} |")
    read = a.tokens * a.k * a.width * 4
    rate = read / statistics.median(seconds["saesteer"]) / 1e9
    print(f"\nsaesteer reads {read / 1e6:.0f} MB of decoder rows at {rate:.1f} GB/s")
    if a.json:
        a.json.write_text(json.dumps({"config": vars(a) | {"json": None}, "columns": record}, indent=1))


if __name__ == "__main__":
    main()
