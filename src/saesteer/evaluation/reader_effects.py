"""Side effects of what is no spec: a model of its own, or the plain model behind a prefix.

The figures of `side_effects`, from two readings in place of one that is steered. A text is read after its
prompt by the plain model, and by the other reader after what that one puts around the prompt. Of the text
those tokens count that end both readings alike: where a prefix changes how the first word is cut into tokens,
that one counts in neither. Nothing is off target here, since neither names latents: drift is of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from saesteer.errors import InputError
from saesteer.evaluation.arms import BARE
from saesteer.evaluation.departing import AT_ONCE
from saesteer.evaluation.divergence import distances
from saesteer.evaluation.drift import most_changed, read_latents
from saesteer.evaluation.effect_rows import EffectRow, known
from saesteer.evaluation.effects_result import SideEffects, StrengthChanges
from saesteer.evaluation.fluency import first_divergence, surprise
from saesteer.evaluation.forced import ForcedTexts
from saesteer.evaluation.repetition import longest_repeat, repeated_share
from saesteer.evaluation.strided import STRIDE, WINDOW, surprise_of
from saesteer.latents.capture import hookpoint_of
from saesteer.model import Generation, LanguageModel, Tokens
from saesteer.runs import digest, run_stage, versions
from saesteer.saes import SAE

REVISION = 1  # raised when something else is computed, so that older folders are not reused
CHANGED = 10
"""Latents that are named."""


@dataclass(frozen=True, eq=False)
class Reader:
    """Who reads and writes in place of the plain model."""

    lm: LanguageModel
    prefix: str = BARE
    """What it puts around a prompt."""

    def after(self, prompt: str) -> str:
        """What it reads in place of the prompt."""
        return self.prefix.replace(BARE, prompt)


def reader_effects(
    lm: LanguageModel,
    reader: Reader,
    strength: float = 1.0,
    texts: Sequence[str] = (),
    prompts: Sequence[str] = (),
    sae: SAE | None = None,
    *,
    befores: Sequence[str] | None = None,
    tokens: int = 50,
    max_length: int = 256,
    at: str | None = None,
    folder: str | Path | None = None,
) -> SideEffects:
    """`reader` beside the plain `lm` (strength 0), on texts that both read and prompts that both continue.

    `strength`: what the reader's rows say; any but 0. `befores`: the prompt of each text. KL and drift are of
    the first `max_length` tokens of a text with its prompt. `folder`: kept below it, found again by an equal
    call. InputError where a text has no token that both readings share.
    """
    if isinstance(texts, str) or isinstance(prompts, str) or not (texts or prompts):
        raise InputError("side effects are measured on lists of texts or prompts; give one of them")
    if strength == 0:
        raise InputError("strength 0 is the plain model; give the reader another")
    before = [""] * len(texts) if befores is None else list(befores)
    if len(before) != len(texts):
        raise InputError(f"{len(texts)} texts have {len(before)} prompts before them; give one each")
    place = None if sae is None or not texts else hookpoint_of(lm, sae, at)
    asked: dict[str, Any] = {
        "model": lm.fingerprint(),
        "arithmetic": lm.arithmetic,
        "reader": {"model": reader.lm.fingerprint(), "prefix": reader.prefix, "strength": strength},
        "sae": None if sae is None else sae.fingerprint(),
        "plan": {"texts": digest([list(texts), before]), "prompts": list(prompts), "tokens": tokens,
                 "max_length": max_length, "at": place},
    }  # fmt: skip

    def measured() -> SideEffects:
        rows: list[EffectRow] = []
        changed: tuple[StrengthChanges, ...] = ()
        if texts:
            rows, changed = _read(lm, reader, strength, list(texts), before, sae, place, max_length)
        if prompts:
            rows += _written(lm, reader, strength, list(prompts), tokens)
        return SideEffects(tuple(rows), changed, asked | {"versions": versions()})

    if folder is None:
        return measured()
    inputs = {"model": lm.fingerprint()}
    made = run_stage(folder, "side-effects", lambda to: _kept(measured(), to), inputs=inputs, config=asked,
                     revision=REVISION)  # fmt: skip
    return SideEffects.load(made)


def _kept(found: SideEffects, place: Path) -> None:
    found.save(place)


def _read(
    lm: LanguageModel,
    reader: Reader,
    strength: float,
    texts: list[str],
    befores: list[str],
    sae: SAE | None,
    at: str | None,
    max_length: int,
) -> tuple[list[EffectRow], tuple[StrengthChanges, ...]]:
    plain, other = _aligned(lm, reader, texts, befores)
    nats = [surprise_of(each, read, WINDOW, STRIDE) for each, read in ((lm, plain), (reader.lm, other))]
    rows: dict[float, list[EffectRow]] = {0.0: [], strength: []}
    sums = np.zeros((3, 0 if sae is None else sae.cfg.d_sae))
    total = 0
    for i, text in enumerate(texts):
        count = _count(lm, reader, plain, other, i, max_length)
        (kl, reverse, _), z = _apart(lm, reader, plain, other, i, count, sae, at)
        total += count
        for each, own in ((0.0, nats[0][i]), (strength, nats[1][i])):
            far = (0.0, 0.0) if each == 0.0 else (kl, reverse)
            row = EffectRow(each, "read", i, befores[i], text, plain.counts[i], own, nats[0][i], count, *far)
            if z is not None:
                change = np.abs(z[1] - z[0]) * (each != 0.0)
                row = replace(
                    row, drift=float(change.sum()), drift_squared=float((change**2).sum()),
                    drift_plain=float(np.abs(z[0]).sum()),
                )  # fmt: skip
            rows[each].append(known(row))
        if z is not None:
            sums += np.stack([z[0].sum(0), z[1].sum(0), np.abs(z[1] - z[0]).sum(0)])
    changed = () if sae is None else (StrengthChanges(strength, most_changed(sums, total, (), CHANGED), ()),)
    return [*rows[0.0], *rows[strength]], changed


def _aligned(
    lm: LanguageModel, reader: Reader, texts: list[str], befores: list[str]
) -> tuple[ForcedTexts, ForcedTexts]:
    """Both readings, each text beginning where they are alike to the end."""
    plain = ForcedTexts.of(lm, texts, befores, [], None)
    other = ForcedTexts.of(reader.lm, texts, [reader.after(each) for each in befores], [], None)
    counts = []
    for i, (one, two) in enumerate(zip(plain.ids, other.ids, strict=True)):
        pairs = zip(reversed(one), reversed(two), strict=False)
        alike = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))
        counts.append(min(alike, plain.counts[i], other.counts[i]))
        if counts[-1] < 1:
            raise InputError(f"text {i + 1} has no token that both readings share; give longer texts")
    return tuple(  # type: ignore[return-value]
        replace(read, starts=tuple(len(ids) - n for ids, n in zip(read.ids, counts, strict=True)))
        for read in (plain, other)
    )


def _count(
    lm: LanguageModel, reader: Reader, plain: ForcedTexts, other: ForcedTexts, i: int, max_length: int
) -> int:
    """How many tokens of a text the distances are of: those that fit, in both readings."""
    most = min(max_length, lm.max_positions or max_length) - plain.starts[i]
    if reader.lm.max_positions is not None:
        most = min(most, reader.lm.max_positions - other.starts[i])
    if most < 1:
        raise InputError(
            f"text {i + 1} begins beyond {max_length} tokens or the model's; give shorter prompts"
        )
    return min(plain.counts[i], most)


@torch.no_grad()
def _apart(
    lm: LanguageModel,
    reader: Reader,
    plain: ForcedTexts,
    other: ForcedTexts,
    i: int,
    count: int,
    sae: SAE | None,
    at: str | None,
) -> tuple[tuple[float, float, float], Float[np.ndarray, "2 tokens d_sae"] | None]:
    """Sums of KL, reverse KL and added nats of one text, and its latents in both readings."""
    logits, latents = [], []
    for each, read in ((lm, plain), (reader.lm, other)):
        start = read.starts[i]
        row = Tokens.of([read.ids[i][: start + count]]).to(each.device)
        logits.append(each.logits(row)[0, start - 1 : start + count - 1])
        if sae is not None and at is not None:
            latents.append(read_latents(sae, each.record(row, [at])[at][0, start:]).numpy())
    start = plain.starts[i]
    ids = torch.tensor(plain.ids[i][start : start + count], device=lm.device)
    return distances(logits[1].to(lm.device), logits[0], ids), np.stack(latents) if latents else None


def _written(
    lm: LanguageModel, reader: Reader, strength: float, prompts: list[str], tokens: int
) -> list[EffectRow]:
    """What both write greedily; like judges, the plain model reads it after the bare prompt."""
    plain = _greedy(lm, prompts, tokens)
    rows = []
    for each, made in (
        (0.0, plain),
        (strength, _greedy(reader.lm, list(map(reader.after, prompts)), tokens)),
    ):
        found = surprise(lm, [one.text for one in made], prompts)
        for i, one in enumerate(made):
            row = EffectRow(
                each, "written", i, prompts[i], one.text, found[i].tokens, found[i].nats,
                left=first_divergence(one.ids, plain[i].ids), most=tokens,
                repeated=repeated_share(one.text), longest=longest_repeat(one.text),
            )  # fmt: skip
            rows.append(known(row))
    return rows


def _greedy(lm: LanguageModel, prompts: list[str], tokens: int) -> list[Generation]:
    found: list[Generation] = []
    for first in range(0, len(prompts), AT_ONCE):
        made = lm.generate(prompts[first : first + AT_ONCE], 1, tokens, temperature=0.0)
        found += sorted(made.rows, key=lambda row: row.request)
    return found
