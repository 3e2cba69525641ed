"""Measure sparse against dense SAE products on this machine: decoding, the k largest, a training step.

python scripts/benchmark_sae.py --tokens 2048 --width 192 --latents 2048 --k 32 --threads 1
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from saesteer.saes.sparse_decode import weighted_rows
from saesteer.saes.topk_select import largest
from saesteer.training.forms import Now, TopK
from saesteer.training.initial import initial_tensors
from saesteer.training.tensors import Tensors


def milliseconds(run: Callable[[], object], rounds: int = 15) -> float:
    """The middle one of several runs, after one to warm up."""
    times = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return sorted(times[1:])[rounds // 2] * 1e3


def dense_step(p: Tensors, x: torch.Tensor, k: int) -> None:
    """The same step by autograd over dense latents."""
    leaves = [each.clone().requires_grad_() for each in (p.encoder, p.b_enc, p.decoder, p.b_dec)]
    encoder, b_enc, decoder, b_dec = leaves
    values, indices = ((x - b_dec) @ encoder.T + b_enc).topk(k, sorted=False)
    z = torch.zeros(len(x), len(encoder)).scatter(1, indices, values.relu())
    error = z @ decoder + b_dec - x
    (error.square().sum() / (x - x.mean(0)).square().sum()).backward()


def gradients(decode: Callable[..., torch.Tensor], *leaves: torch.Tensor) -> None:
    """Decode and go back, to decoder and latents both."""
    decode(*(each.detach().requires_grad_() for each in leaves)).sum().backward()


def dense_decode(table: torch.Tensor, indices: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """By a matrix of all latents."""
    return values.new_zeros(len(values), len(table)).scatter(1, indices, values) @ table


def torchs_decode(table: torch.Tensor, indices: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """By torch's own embedding bag, also backward."""
    return F.embedding_bag(indices, table, per_sample_weights=values, mode="sum")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("tokens", 2048), ("width", 192), ("latents", 2048), ("k", 32), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    x = torch.randn(a.tokens, a.width)
    p, factor = initial_tensors(x, a.latents, "mean", 0)
    x = x * factor
    h = x @ p.encoder.T
    values, indices = largest(h, a.k)
    z = torch.zeros_like(h).scatter(1, indices, values)
    nobody = torch.zeros(a.latents, dtype=torch.bool)
    some = F.pad(nobody[a.latents // 10 :], (a.latents // 10, 0), value=True)
    print(f"{a.tokens} tokens, width {a.width}, {a.latents} latents, k {a.k}, {a.threads} threads")
    for name, dense, sparse in (
        ("decode", lambda: z @ p.decoder, lambda: weighted_rows(p.decoder, indices, values)),
        ("k largest", lambda: h.topk(a.k, sorted=False), lambda: largest(h, a.k)),
        ("step", lambda: dense_step(p, x, a.k), lambda: TopK(a.k, 1, 0.0).step(p, x, Now(nobody))),
    ):
        slow, fast = milliseconds(dense), milliseconds(sparse)
        print(f"{name:10} dense {slow:7.2f} ms   sparse {fast:7.2f} ms   ratio {slow / fast:5.1f}")
    there_and_back = [
        milliseconds(lambda f=f: gradients(lambda t, v: f(t, indices, v), p.decoder, values))
        for f in (dense_decode, torchs_decode, weighted_rows)
    ]
    print("decode and gradients: dense {:.2f} ms   torch {:.2f} ms   ours {:.2f} ms".format(*there_and_back))
    aux = milliseconds(lambda: TopK(a.k, a.width // 2).step(p, x, Now(some)))
    print(f"{'step, 10 % of latents dead':32} sparse {aux:7.2f} ms")


if __name__ == "__main__":
    main()
