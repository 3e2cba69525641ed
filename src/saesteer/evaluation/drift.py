"""What steering does to the latents that it was not meant for, read by a measuring SAE. Knows no judge.

Of a text's own tokens (its prompt's do not count), z the latents of the plain and z' of the steered model
where the SAE reads, over all latents but the targets: the sum of |z' - z| and of (z' - z)^2, per token. An
SAE that reads before the edit sees nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.evaluation.forced import ForcedTexts, Settings, settings_of, steered_rows
from saesteer.latents.capture import hookpoint_of
from saesteer.model import LanguageModel, Tokens
from saesteer.saes import SAE
from saesteer.statistics import Interval, bootstrap_weights
from saesteer.steering import SteeringSpec


@dataclass(frozen=True)
class LatentChange:
    """One latent, means over the tokens."""

    latent: int
    before: float
    after: float
    absolute: float
    """Mean of |z' - z|: above |after - before| where it rises here and falls there."""

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True, eq=False)
class Drift:
    """One setting on fixed texts; sums per text, over its tokens and off-target latents."""

    absolutes: tuple[float, ...]
    squares: tuple[float, ...]
    plain: tuple[float, ...]
    """Of |z|: what there was to change."""
    tokens: tuple[int, ...]
    latents: Float[np.ndarray, "3 d_sae"]
    """Sums over all tokens of z, z' and |z' - z|, the targets included."""
    targets: tuple[int, ...]

    @property
    def absolute(self) -> float:
        """Per token."""
        return sum(self.absolutes) / sum(self.tokens)

    @property
    def squared(self) -> float:
        """Per token."""
        return sum(self.squares) / sum(self.tokens)

    @property
    def share(self) -> float:
        """The absolute change over what there was."""
        return sum(self.absolutes) / sum(self.plain) if sum(self.plain) else float("inf")

    def interval(self, name: str = "absolute", level: float = 0.95, seed: int = 0) -> Interval:
        """`absolute`, `squared` or `share` with its bootstrap interval over texts."""
        tops = {"absolute": self.absolutes, "squared": self.squares, "share": self.absolutes}[name]
        return ratio_interval(tops, self.plain if name == "share" else self.tokens, level, seed)

    def most_changed(self, n: int = 10, targets: bool = False) -> tuple[LatentChange, ...]:
        """The latents that change most, by the mean of |z' - z|; with `targets` also those."""
        return most_changed(self.latents, sum(self.tokens), () if targets else self.targets, n)


def most_changed(
    sums: Float[np.ndarray, "3 d_sae"], tokens: int, without: Collection[int], n: int
) -> tuple[LatentChange, ...]:
    """From sums over the tokens of z, z' and |z' - z|."""
    size = sums[2].copy()
    size[list(without)] = 0.0
    order = np.argsort(-size, kind="stable")[:n]
    return tuple(
        LatentChange(int(i), *(float(each) / tokens for each in sums[:, i])) for i in order if size[i] > 0
    )


def ratio_interval(
    tops: Sequence[float], bottoms: Sequence[float], level: float = 0.95, seed: int = 0
) -> Interval:
    """sum(tops) / sum(bottoms), texts drawn whole; infinite where a sum is."""
    above, below = np.array(tops, dtype=float), np.array(bottoms, dtype=float)
    if not np.isfinite(above).all():
        return Interval(np.inf, np.inf, np.inf, level)

    def ratios(weights: Float[np.ndarray, "draws texts"]) -> Float[np.ndarray, "draws 1"]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (weights @ above / (weights @ below))[:, None]

    return bootstrap_weights(ratios, np.zeros(len(above), dtype=int), level=level, seed=seed)[0]


def targets_of(spec: SteeringSpec, sae: SAE, saes: Mapping[str, SAE] | None = None) -> tuple[int, ...]:
    """The latents of this very SAE that the spec edits or whose directions it adds."""
    mine = {
        name
        for name, ref in spec.saes.items()
        if sae.fingerprint() == (saes[name].fingerprint() if saes and name in saes else ref.sha256)
    }
    found = {i for each in spec.interventions if each.sae in mine for i, _ in each.latents or ()}
    found |= {i for each in spec.tensors.values() if each.sae in mine for i, _ in each.latents or ()}
    return tuple(sorted(found))


def drifts(
    lm: LanguageModel,
    spec: SteeringSpec | Sequence[SteeringSpec],
    strengths: Sequence[float] | None,
    sae: SAE,
    texts: Sequence[str],
    prompts: Sequence[str] | None = None,
    *,
    at: str | None = None,
    targets: Sequence[int] | None = None,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
    max_length: int = 256,
) -> list[Drift]:
    """Every setting on every text, read through `sae` at its own hookpoint or `at`.

    `targets`: latents that are meant to change; None: those of this SAE that the specs name.
    """
    settings = settings_of(spec, strengths)
    read = ForcedTexts.of(lm, texts, prompts, settings, max_length)
    place = hookpoint_of(lm, sae, at)
    if targets is None:
        targets = sorted({i for each, _ in settings for i in targets_of(each, sae, saes)})
    if wrong := [each for each in targets if not 0 <= each < sae.cfg.d_sae]:
        raise InputError(f"targets are latents from 0 to {sae.cfg.d_sae - 1}, got {wrong[0]}")
    sums, latents = Context().run(_measure, lm, settings, read, sae, place, tuple(targets), saes, force)
    return [
        _drift(each, read.counts, table, tuple(targets)) for each, table in zip(sums, latents, strict=True)
    ]


def _drift(
    sums: Float[np.ndarray, "texts 3"],
    counts: Sequence[int],
    latents: Float[np.ndarray, "3 d_sae"],
    targets: tuple[int, ...],
) -> Drift:
    absolutes, squares, plain = (tuple(map(float, column)) for column in sums.T)
    return Drift(absolutes, squares, plain, tuple(counts), latents, targets)


@torch.no_grad()
def _measure(
    lm: LanguageModel,
    settings: Settings,
    texts: ForcedTexts,
    sae: SAE,
    at: str,
    targets: tuple[int, ...],
    saes: Mapping[str, SAE] | None,
    force: bool,
) -> tuple[Float[np.ndarray, "settings texts 3"], Float[np.ndarray, "settings 3 d_sae"]]:
    """Sums of |z' - z|, of its square and of |z|, off target; and per latent."""
    counted = torch.ones(sae.cfg.d_sae, dtype=torch.bool)
    counted[list(targets)] = False
    sums = np.zeros((len(settings), len(texts.ids), 3))
    latents = np.zeros((len(settings), 3, sae.cfg.d_sae))
    for text in texts.order:
        own = slice(texts.starts[text], None)
        plain = read_latents(sae, lm.record(*_one(lm, texts, [text], at))[at][0, own])
        size = max(1, lm.batch_tokens // len(texts.ids[text]))
        for first in range(0, len(settings), size):
            part = range(first, min(first + size, len(settings)))
            tokens, where, prompt = _one(lm, texts, [text] * len(part), at)
            with steered_rows(lm, [settings[each] for each in part], saes, force):
                found = lm.record(tokens, where, prompt)[at]
            for number, x in zip(part, found, strict=True):
                steered = read_latents(sae, x[own])
                change = (steered - plain).abs()
                off = change[:, counted]
                sums[number, text] = (
                    float(off.sum()),
                    float((off**2).sum()),
                    float(plain[:, counted].abs().sum()),
                )
                latents[number] += torch.stack([each.sum(0) for each in (plain, steered, change)]).numpy()
    return sums, latents


def _one(lm: LanguageModel, texts: ForcedTexts, rows: list[int], at: str) -> tuple[Tokens, list[str], Tensor]:
    tokens, prompt = texts.tokens(lm, rows)
    return tokens, [at], prompt


def read_latents(sae: SAE, x: Float[Tensor, "tokens d"]) -> Float[Tensor, "tokens d_sae"]:
    """The latents of activations, in float64 on the CPU."""
    return sae.encode(x.to(sae.W_enc)).double().cpu()
