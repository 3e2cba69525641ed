"""Time a training step of TopK with AuxK beside peers, and what each has learnt from the same tokens.

    python benchmarks/training_step.py

Columns: saesteer; dense, a plain autograd step with torch's Adam; sae_lens and sparsify, where installed
(pip install sae-lens eai-sparsify); floor, which learns nothing: the encoder's product, the k largest and a
fused Adam step, without which no step of a TopK SAE can be. All see the same batches, with one learning rate
that falls to 0, and call a latent dead after the same number of tokens. FVU: on tokens that none has seen.
Quote the ratio: the median over rounds of the time of a round over that of the reference in the same round.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import torch
from interleaved import BUSY, compare, table, work
from torch import Tensor

Reconstruct = Callable[[Tensor], Tensor]
NEEDS = {
    "saesteer": "saesteer",
    "dense": "torch",
    "sae_lens": "sae_lens",
    "sparsify": "sparsify",
    "floor": "torch",
}


def activations(a: argparse.Namespace) -> tuple[list[Tensor], Tensor]:
    """Batches to train on and one to measure on: sums of 20 of 1,024 directions, and noise."""
    draw = torch.Generator().manual_seed(0)
    atoms = torch.nn.functional.normalize(torch.randn(1024, a.width, generator=draw), dim=-1)

    def batch() -> Tensor:
        chosen = torch.randint(0, 1024, (a.batch, 20), generator=draw)
        weights = torch.empty(a.batch, 20).exponential_(generator=draw)
        x = torch.nn.functional.embedding_bag(chosen, atoms, per_sample_weights=weights, mode="sum")
        return x + 0.05 * torch.randn(a.batch, a.width, generator=draw)

    return [batch() for _ in range(a.stored)], batch()


def saesteer(a: argparse.Namespace, batches: Iterator[Tensor]) -> tuple[Reconstruct, float]:
    from saesteer.training import TrainConfig, train_sae

    config = TrainConfig(
        d_sae=a.latents,
        k=a.k,
        tokens=a.total * a.batch,
        lr=a.lr,
        warmup_share=0.0,
        decay_share=1.0,
        dead_after_tokens=a.dead_after,
        aux_coefficient=a.aux,
        centre="mean",
    )
    result = train_sae(batches, config)
    return result.sae, result.metrics[-1].dead


def dense(a: argparse.Namespace, batches: Iterator[Tensor]) -> tuple[Reconstruct, float]:
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(a.latents, a.width), dim=-1)
    shapes = (rows.clone(), torch.zeros(a.latents), rows, torch.zeros(a.width))
    tensors = [torch.nn.Parameter(each) for each in shapes]
    encoder, b_enc, decoder, b_dec = tensors
    optimizer = torch.optim.Adam(tensors, lr=a.lr)
    silent = torch.zeros(a.latents)

    def sparse(h: Tensor, k: int) -> Tensor:
        values, indices = h.topk(k, sorted=False)
        return torch.zeros_like(h).scatter(1, indices, values.relu())

    def forward(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = (x - b_dec) @ encoder.T + b_enc
        z = sparse(h, a.k)
        return h, z, z @ decoder + b_dec

    for step, x in enumerate(batches):
        if not step:
            b_dec.data.copy_(x.mean(0))
        h, z, xhat = forward(x)
        error = xhat - x
        loss = error.square().sum() / (x - x.mean(0)).square().sum()
        dead = silent >= a.dead_after
        if a.aux and bool(dead.any()):
            residual = -error.detach()
            told = sparse(h[:, dead], min(a.width // 2, int(dead.sum()))) @ decoder[dead]
            total = (residual - residual.mean(0)).square().sum()
            loss = loss + a.aux * (told - residual).square().sum() / total
        optimizer.param_groups[0]["lr"] = a.lr * (1 - step / a.total)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tensors, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            decoder.data = torch.nn.functional.normalize(decoder, dim=-1)
            silent = torch.where((z > 0).any(0), 0.0, silent + len(x))
    return lambda x: forward(x)[2], float((silent >= a.dead_after).float().mean())


def sae_lens(a: argparse.Namespace, batches: Iterator[Tensor]) -> tuple[Reconstruct, float]:
    from sae_lens.config import SAETrainerConfig
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.training.sae_trainer import SAETrainer

    torch.manual_seed(0)
    sae = TopKTrainingSAE(
        TopKTrainingSAEConfig(
            d_in=a.width, d_sae=a.latents, k=a.k, dtype="float32", device="cpu", aux_loss_coefficient=a.aux
        )
    )
    trainer = SAETrainer(
        cfg=SAETrainerConfig(
            total_training_samples=a.total * a.batch,
            train_batch_size_samples=a.batch,
            lr=a.lr,
            lr_end=0.0,
            lr_decay_steps=a.total,
            device="cpu",
            dead_feature_window=a.dead_after // a.batch,
        ),
        sae=sae,
        data_provider=iter(()),
    )
    for x in batches:
        trainer.step(x)
        trainer.n_training_steps += 1
    return sae, float(trainer.dead_neurons.float().mean())


def sparsify(a: argparse.Namespace, batches: Iterator[Tensor]) -> tuple[Reconstruct, float]:
    from sparsify import SparseCoderConfig, TrainConfig, Trainer

    rows = 256
    per_batch = a.batch // rows

    class Emit(torch.nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            return next(batches).view(per_batch, rows, a.width)

    class StandIn(torch.nn.Module):
        """A language model as far as the trainer asks: one layer that gives the next batch."""

        base_model = property(lambda self: self)
        device = property(lambda self: torch.device("cpu"))
        dummy_inputs = property(lambda self: {"input_ids": torch.zeros(1, 8, dtype=torch.long)})

        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList([Shape()])
            self.config = SimpleNamespace(num_hidden_layers=1)

        def forward(self, input_ids: Tensor) -> Tensor:
            return self.layers[0](input_ids)

    class Shape(Emit):
        """The first call only asks for the width."""

        def forward(self, ids: Tensor) -> Tensor:
            return torch.zeros(*ids.shape, a.width) if ids.shape[1] == 8 else super().forward(ids)

    class Data:
        def __len__(self) -> int:
            return a.total * per_batch

        def __getitem__(self, i: int) -> dict[str, Tensor]:
            return {"input_ids": torch.zeros(rows, dtype=torch.long)}

    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(
            SparseCoderConfig(num_latents=a.latents, k=a.k),
            batch_size=per_batch,
            optimizer="adam",
            lr=a.lr,
            lr_warmup_steps=0,
            auxk_alpha=a.aux,
            dead_feature_threshold=a.dead_after,
            hookpoints=["layers.0"],
            log_to_wandb=False,
            save_dir=folder,
        )
        trainer = Trainer(config, Data(), StandIn())
        trainer.fit()
    (sae,) = trainer.saes.values()
    (silent,) = trainer.num_tokens_since_fired.values()
    return lambda x: sae(x).sae_out, float((silent > a.dead_after).float().mean())


def floor(a: argparse.Namespace, batches: Iterator[Tensor]) -> tuple[Reconstruct, float]:
    from saesteer.saes.topk_select import largest

    shapes = ((a.latents, a.width), (a.latents,), (a.latents, a.width), (a.width,))
    tensors = [torch.randn(shape) for shape in shapes]
    for each in tensors:
        each.grad = torch.randn_like(each)
    optimizer = torch.optim.Adam(tensors, lr=a.lr, fused=True)
    encoder, b_enc = tensors[:2]
    with torch.no_grad():
        for x in batches:
            largest(torch.addmm(b_enc, x, encoder.T), a.k)
            optimizer.step()
    return torch.zeros_like, float("nan")


COLUMNS = {"saesteer": saesteer, "dense": dense, "sae_lens": sae_lens, "sparsify": sparsify, "floor": floor}


def finish(result: tuple[Reconstruct, float], held_out: Tensor) -> dict[str, float]:
    reconstruct, dead = result
    with torch.no_grad():
        error = reconstruct(held_out) - held_out
    fvu = error.square().sum() / (held_out - held_out.mean(0)).square().sum()
    return {"FVU": float(fvu), "dead": dead}


def summary(found: dict, reference: str) -> dict:
    """Per column: seconds of a round, their ratio to the reference's of the same round, what was learnt."""
    base = found[reference]["rounds"]
    return {
        name: {
            "time": statistics.median(
                one["seconds"] / two["seconds"] for one, two in zip(each["rounds"], base, strict=True)
            ),
            "seconds": statistics.median(one["seconds"] for one in each["rounds"]),
            "noisy": sum(one["others"] > BUSY for one in each["rounds"]),
            "rounds": len(base),
            **{key: value for key, value in each.items() if key != "rounds"},
        }
        for name, each in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = {"width": 512, "latents": 8192, "k": 32, "batch": 4096, "threads": 2}
    numbers |= {"rounds": 10, "steps": 3, "stored": 16, "dead-after": 20_480}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--aux", type=float, default=1 / 32, help="weight of AuxK")
    parser.add_argument("--columns", default=",".join(COLUMNS))
    parser.add_argument("--reference", default="dense")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for an idle machine")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    a = parser.parse_args()
    a.total = a.rounds * a.steps + 1
    if a.worker:
        torch.set_num_threads(a.threads)
        stored, held_out = activations(a)
        batches = (stored[i % a.stored] for i in count())
        train = COLUMNS[a.worker]
        work(lambda it: train(a, it), batches, a.rounds, a.steps, lambda r: finish(r, held_out))
        return
    names = []
    for name in a.columns.split(","):
        if importlib.util.find_spec(NEEDS[name]) is None:
            print(f"{name}: left out, since it is not installed")
        else:
            names.append(name)
    arguments = [part for name in numbers for part in (f"--{name}", str(getattr(a, name.replace("-", "_"))))]
    arguments += ["--lr", str(a.lr), "--aux", str(a.aux)]
    found = compare(__file__, names, arguments, a.rounds, a.threads, a.patience)
    reference = a.reference if a.reference in found else names[0]
    print(
        f"\nd_in {a.width}, d_sae {a.latents}, k {a.k}, batch {a.batch}, {a.threads} threads, "
        f"{a.total * a.batch:,} tokens, torch {torch.__version__}\n"
    )
    print(table(found, reference, a.steps * a.batch))
    if "sparsify" in found and "saesteer" in found:
        pairs = zip(found["sparsify"]["rounds"], found["saesteer"]["rounds"], strict=True)
        ratios = sorted(one["seconds"] / two["seconds"] for one, two in pairs)
        middle = ratios[math.floor(len(ratios) / 2)]
        print(f"\nsaesteer is {middle:.2f} times as fast as sparsify ({ratios[0]:.2f} to {ratios[-1]:.2f})")
    if a.json:
        config = {name: getattr(a, name.replace("-", "_")) for name in (*numbers, "lr", "aux")}
        a.json.write_text(json.dumps({"config": config, "columns": summary(found, reference)}, indent=1))


if __name__ == "__main__":
    main()
