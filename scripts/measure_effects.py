"""How well effects are predicted on the embedded world, and what the vectors made of them really do.

    saesteer effects measure --decoder all --mixtures 1000 --random 1000 -n 2 --workers 2 --out build/effects
    saesteer effects fit build/effects --out build/effects-fit
    python scripts/measure_effects.py --json docs/figures/effects_world.json

Vectors that the fit did not see are measured again with other luck and more rollouts, which says how much of
the measured effects is luck. The vectors of each method for 12 concepts are measured too: what was promised,
what came of it, at the target and elsewhere. Run folders resume. Intervals are 95 %, from vectors drawn anew.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from saesteer import LanguageModel, load_concept, load_model, load_sae
from saesteer.cli.inputs import texts_for
from saesteer.effects import (
    Approximator,
    Chunk,
    Directions,
    EffectsRun,
    Settings,
    Split,
    accuracy,
    measure_effects,
    open_effects,
)
from saesteer.effects.accuracy import ALL
from saesteer.effects.parts import TEST
from saesteer.effects.sources import find_source
from saesteer.methods import METHODS, random_direction, sae_decoder
from saesteer.saes import SAE
from saesteer.statistics import bootstrap_weights
from saesteer.world.texts import openings
from saesteer.world.words import CONCEPTS

AT: Final = "layers.3"
MADE: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "sae_ts": ("sae_ts", {}),
    "sae_ts, no bias term": ("sae_ts", {"bias_weight": 0.0}),
    "pinverse": ("pinverse", {}),
    "rotation": ("rotation", {}),
}

FIGURES: Final = ("pooled_r2", "vector_correlation")
"""Those with intervals. The median R^2 of latents has none: of a latent that few vectors raise a draw with
repetitions holds too little, so that drawn medians lie below the median itself.
"""
NOISE: Final = 1e-12
"""Of a latent's mean square: a variance below that is rounding."""


def again(lm: LanguageModel, sae: SAE, vectors: Directions, a: argparse.Namespace, name: str) -> EffectsRun:
    """Measured as `saesteer effects measure` does, with `a.n` rollouts and another seed."""
    texts = list(islice(texts_for("world", None, 8), 8))
    settings = Settings(n=a.n, openers=tuple(openings(14)))
    source = f"world/{AT}"
    return measure_effects(a.work / name, lm, sae, vectors, texts, settings=settings, seed=9, source=source)


def whole(run: EffectsRun) -> Chunk:
    chunks = list(run.chunks())
    return Chunk(torch.cat([c.vectors for c in chunks]), torch.cat([c.effects for c in chunks]))


def luck(lm: LanguageModel, sae: SAE, run: EffectsRun, fitted: Approximator, a: Any) -> dict[str, Any]:
    """Of held-out vectors: the fit, and the first measurement itself, against the second measurement."""
    first, kinds = whole(run), run.kinds
    split = Split(**fitted.meta["split"])
    kept = (split.part(first.vectors) == TEST).nonzero().flatten().tolist()
    by_kind = {
        kind: [line for line in kept if kinds[line] == kind][: a.vectors] for kind in dict.fromkeys(kinds)
    }
    lines = [line for each in by_kind.values() for line in each]
    chosen = tuple(kinds[line] for line in lines)
    vectors = Directions(first.vectors[lines], chosen, tuple(str(line) for line in lines))
    second = whole(again(lm, sae, vectors, a, "held-out"))
    before = Chunk(first.vectors[lines], first.effects[lines])
    return {
        "vectors": {kind: len(each) for kind, each in by_kind.items()},
        "all held out, first measurement": compared(
            fitted, Chunk(first.vectors[kept], first.effects[kept]), [kinds[line] for line in kept]
        ),
        "fit against first": compared(fitted, before, chosen),
        "fit against second": compared(fitted, second, chosen),
        "first against second": {
            "pooled_r2": pooled(before.effects, second.effects),
            "vector_correlation": related(before.effects, second.effects),
            "intervals": intervals(before.effects, second.effects, chosen),
        },
    }


def compared(fitted: Approximator, chunk: Chunk, kinds: Sequence[str]) -> list[dict[str, Any]]:
    """The figures of accuracy, all vectors first, then by kind, each with the ends of its interval."""
    found = []
    for each in accuracy(fitted, [chunk], kinds):
        rows = [line for line, kind in enumerate(kinds) if each.kind in (ALL, kind)]
        ends = intervals(
            fitted.predict(chunk.vectors[rows]), chunk.effects[rows], [kinds[line] for line in rows]
        )
        found.append({**each.summary, "intervals": ends})
    return found


def intervals(predicted: Tensor, found: Tensor, kinds: Sequence[str]) -> dict[str, list[float]]:
    """Low and high ends of FIGURES; vectors are drawn anew within their kind.

    A latent that varies in no two of the vectors drawn has no say in that draw, as in accuracy.
    """
    told, got = predicted.double().numpy(), found.double().numpy()
    error, square = (got - told) ** 2, got**2
    each = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(told, got, strict=True)])

    def drawn(weights: np.ndarray) -> np.ndarray:
        n = weights.sum(1, keepdims=True)
        mean, total = weights @ got / n, weights @ square / n
        spread, missed = total - mean**2, weights @ error / n
        varies = spread > NOISE * total
        pooled = 1 - (missed * varies).sum(1) / (spread * varies).sum(1)
        return np.stack([pooled, weights @ each / n[:, 0]], axis=1)

    _, strata = np.unique(np.array(kinds), return_inverse=True)
    return {
        name: [end.low, end.high] for name, end in zip(FIGURES, bootstrap_weights(drawn, strata), strict=True)
    }


def pooled(predicted: Tensor, found: Tensor) -> float:
    """1 - squared error over squared distance from each latent's mean, over all latents together."""
    return float(1 - (found - predicted).square().sum() / (found - found.mean(0)).square().sum())


def related(one: Tensor, other: Tensor) -> float:
    """Pearson's r over latents, its mean over vectors."""
    pairs = zip(one.numpy(), other.numpy(), strict=True)
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))


def promised(lm: LanguageModel, sae: SAE, fitted: Approximator, a: Any) -> list[dict[str, Any]]:
    """Each method's vector for each concept's best latent: what it does there, and elsewhere."""
    rows, vectors, origins = [], [], []
    for name in CONCEPTS[: a.concepts]:
        concept = load_concept(f"world/{name}")
        row = sae_decoder(lm, concept, sae)
        ((latent, _),) = row.provenance["latents"]
        specs = {"decoder row": row}
        for label, (method, options) in MADE.items():
            specs[label] = METHODS.get(method)(lm, concept, sae, effects=fitted, latent=latent, **options)
        specs["random"] = random_direction(lm, at=AT, seed=len(rows))
        for label, spec in specs.items():
            (tensor,) = spec.tensors.values()
            value = sae.W_dec[latent] if tensor.value is None else tensor.value
            vectors.append(value / value.norm())
            origins.append(f"{name}: {label}")
            rows.append({"concept": name, "vector": label, "latent": int(latent)})
    given = Directions(torch.stack(vectors), ("given",) * len(vectors), tuple(origins))
    found = again(lm, sae, given, a, "promised")
    chunk = whole(found)
    if len(chunk) < len(rows):
        raise SystemExit("a vector broke the model; nothing can be said of it")
    for row, vector, effect in zip(rows, chunk.vectors, chunk.effects, strict=True):
        latent, told = row["latent"], fitted.predict(vector)
        rest = torch.arange(len(effect)) != latent
        row["predicted"], row["measured"] = float(told[latent]), float(effect[latent])
        row["side_effects"] = float(effect[rest].norm())
        row["correlation"] = float(np.corrcoef(told.numpy(), effect.numpy())[0, 1])
        row["place"] = int((effect > effect[latent]).sum()) + 1
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", default="build/effects")
    parser.add_argument("--fit", type=Path, default=Path("build/effects-fit"))
    parser.add_argument("--work", type=Path, default=Path("build/effects-again"))
    parser.add_argument("--vectors", type=int, default=48, help="held-out vectors of each kind")
    parser.add_argument("--concepts", type=int, default=12)
    parser.add_argument("-n", type=int, default=8, help="rollouts of each opener")
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(1)
    lm, sae, fitted = load_model("world"), load_sae(f"world/{AT}"), Approximator.load(a.fit)
    run = open_effects(find_source("effects", a.run))
    record = {
        "rollouts": [run.meta["settings"]["n"], a.n],
        "vectors": fitted.meta["vectors"],
        "ridge": fitted.ridge,
        "luck": luck(lm, sae, run, fitted, a),
        "promised": promised(lm, sae, fitted, a),
    }
    print(json.dumps(record, indent=1))
    if a.json:
        a.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
