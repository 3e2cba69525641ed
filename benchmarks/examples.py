"""Time the examples of a latent for explainer and scorer, as full objects, ours and by the published method.

    python benchmarks/examples.py [--rounds 7] [--n 50] [--json docs/figures/examples_speed.json]

A cache of --sequences rows of 256 tokens (see caching.py), --n latents out of those that are active in 200 to
1,000 windows of 32: 40 active windows to explain, 50 to score and 50 silent ones each. Columns, by turns in
one process:

    saesteer    Loader.record: the same 140 examples
    contrast    the same with 40 silent windows for explainers more, as by default
    published   all entries of a fifth of the latents loaded; per latent a mask over them, its windows by
                unique, a dense row for each, objects whose tokens the tokenizer decodes one by one: the
                method of the reference, code of ours

Quote milliseconds per latent and the ratio of the same round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from caching_assets import NUMBERS, add_arguments, cached
from tokenizers import Tokenizer, decoders, models
from torch import Tensor
from transformers import PreTrainedTokenizerFast

LENGTH = 32


@dataclass
class Shown:
    """An example as the published method makes it."""

    tokens: Tensor
    activations: Tensor
    normalised: Tensor | None
    quantile: int
    strings: list[str]


def tokenizer_of(vocab: int) -> Any:
    words = Tokenizer(models.WordLevel({f" w{i}": i for i in range(vocab)}, unk_token=" w0"))
    words.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=words)


class Published:
    """A split holds the entries of a fifth of the latents, in the order of tokens."""

    def __init__(self, cache: Any, vocab: int) -> None:
        table = cache[cache.names[0]]
        counts = torch.from_numpy(np.diff(table.indptr))
        latents = torch.arange(len(counts)).repeat_interleave(counts)
        places = torch.from_numpy(np.array(table.tokens)).long()
        order = places.argsort(stable=True)
        self.width = len(counts)
        self.latents, self.places = latents[order], places[order]
        self.values = torch.from_numpy(np.array(table.values))[order].float()
        self.ids = torch.from_numpy(np.array(cache.tokens.ids)).long().view(-1, LENGTH)
        self.tokenizer = tokenizer_of(vocab)

    def split(self, part: int) -> tuple[Tensor, Tensor, Tensor]:
        edge = [part * self.width // 5, (part + 1) * self.width // 5]
        mask = (self.latents >= edge[0]) & (self.latents < edge[1])
        return self.latents[mask], self.places[mask], self.values[mask]

    def record(self, split: tuple[Tensor, Tensor, Tensor], latent: int) -> tuple[list[Shown], ...]:
        mask = split[0] == latent
        places, values = split[1][mask], split[2][mask]
        windows, row = (places // LENGTH).unique(return_inverse=True)
        dense = torch.zeros(len(windows), LENGTH)
        dense[row, places % LENGTH] = values
        order = dense.amax(1).argsort(descending=True)
        parts = order.tensor_split(10)
        train = [each[torch.randperm(len(each))[:4]] for each in parts]
        test = [each[torch.randperm(len(each))[:5]] for each in parts]
        silent = torch.ones(len(self.ids), dtype=torch.bool)
        silent[windows] = False
        others = silent.nonzero()[:, 0]
        others = others[torch.randperm(len(others))[:50]]
        top = float(dense.max())
        return (
            [self._shown(windows[at], dense[at], top, q) for q, each in enumerate(train) for at in each],
            [self._shown(windows[at], dense[at], top, q) for q, each in enumerate(test) for at in each],
            [self._shown(at, torch.zeros(LENGTH), top, -1) for at in others],
        )

    def _shown(self, window: Tensor, activations: Tensor, top: float, quantile: int) -> Shown:
        ids = self.ids[window]
        strings = [self.tokenizer.decode([each]) for each in ids.tolist()]
        return Shown(ids, activations, (activations * 10 / top).ceil().clamp(0, 10), quantile, strings)


def eligible(cache: Any, n: int) -> list[int]:
    """Spread over the whole width."""
    table = cache[cache.names[0]]
    indptr, places = np.asarray(table.indptr), np.asarray(table.tokens)
    counts = [len(np.unique(places[low:high] // LENGTH)) for low, high in pairwise(indptr)]
    found = np.flatnonzero([200 <= each <= 1000 for each in counts])
    return found[np.linspace(0, len(found) - 1, n).astype(int)].tolist()


def measure(a: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Milliseconds per latent of both by rounds, first ones dropped."""
    from saesteer.examples import ExampleSettings, LatentId, LatentRecord, Loader

    with tempfile.TemporaryDirectory() as folder:
        cache = cached(a, folder, a.sequences)()
        latents, name = eligible(cache, a.n), cache.names[0]

        def ours(silent_train: int) -> int:
            loader = Loader(cache, ExampleSettings(silent_train=silent_train))
            records = list(loader.records(LatentId(name, each) for each in latents))
            return sum(len(each.train) + len(each.test) for each in records if isinstance(each, LatentRecord))

        other = Published(cache, a.vocab)

        def published() -> int:
            splits = {part: other.split(part) for part in {5 * each // other.width for each in latents}}
            records = [other.record(splits[5 * each // other.width], each) for each in latents]
            return sum(len(each[0]) + len(each[1]) for each in records)

        jobs = {"saesteer": lambda: ours(0), "contrast": lambda: ours(40), "published": published}
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for number in range(a.rounds + 1):
            for each in sorted(jobs, reverse=bool(number % 2)):
                began = time.perf_counter()
                made = jobs[each]()
                seconds = time.perf_counter() - began
                if made != 90 * len(latents):
                    raise SystemExit(f"{each} made {made} examples, not {90 * len(latents)}")
                if number:
                    times[each].append(1000 * seconds / len(latents))
    ratios = [one / two for one, two in zip(times["published"], times["saesteer"], strict=True)]
    found = {key: {"ms": statistics.median(each), "least": min(each)} for key, each in times.items()}
    middle = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    return found | {"published over saesteer": middle}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, sequences=768, rounds=7, n=50)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    found = measure(a)
    for name, each in found.items():
        print(name, {key: round(value, 3) for key, value in each.items()})
    if a.json:
        config = {name: getattr(a, name) for name in (*NUMBERS, "sequences", "rounds", "n")}
        a.json.write_text(json.dumps({"config": config, "columns": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
