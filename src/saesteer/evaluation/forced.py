"""Texts that a steered model reads instead of writing: which settings read them, and where each text begins.

Knows models and specs; no figure. Teacher forcing stands for generation: what a spec does at the last
position is done at every position that predicts a token of the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from saesteer.errors import InputError
from saesteer.evaluation.fluency import text_starts
from saesteer.model import LanguageModel, Tokens
from saesteer.saes import SAE
from saesteer.steering import Intervention, SteeringSpec, compile_edits

Settings = list[tuple[SteeringSpec, float | None]]


def settings_of(spec: SteeringSpec | Sequence[SteeringSpec], strengths: Sequence[float] | None) -> Settings:
    """One per strength, or per spec at its own; as they act on a text that is read at once."""
    specs = (
        [spec] * (1 if strengths is None else len(strengths)) if isinstance(spec, SteeringSpec) else [*spec]
    )
    values = [None] * len(specs) if strengths is None else [*strengths]
    if not specs or len(values) != len(specs):
        raise InputError(f"settings are a strength per spec, got {len(specs)} specs, {len(values)} strengths")
    forced = {id(each): _forced(each) for each in specs}
    return [(forced[id(each)], value) for each, value in zip(specs, values, strict=True)]


@contextmanager
def steered_rows(
    lm: LanguageModel,
    settings: Sequence[tuple[SteeringSpec | None, float | None]],
    saes: Mapping[str, SAE] | None,
    force: bool,
) -> Iterator[None]:
    """Inside, row i of a call is under setting i."""
    values = [strength for _, strength in settings]
    given = None if None in values else [float(each) for each in values if each is not None]
    edits, requests = compile_edits(lm, [spec for spec, _ in settings], given, saes, force)
    with lm.intervening(edits, requests):
        yield


def _forced(spec: SteeringSpec) -> SteeringSpec:
    """What the spec does in generation, told for a text that is read at once.

    `last` is then every position that predicts a token of the text, and not only the row's own last.
    """

    def read_at_once(each: Intervention) -> Intervention:
        where = each.where
        return (
            replace(each, where=replace(where, positions="generated")) if where.positions == "last" else each
        )

    return replace(spec, interventions=tuple(map(read_at_once, spec.interventions)))


@dataclass(frozen=True, eq=False)
class ForcedTexts:
    """Texts as tokens, shortest first in `order`."""

    ids: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    """Where each text begins behind its prompt; at least 1."""
    order: tuple[int, ...]

    @property
    def counts(self) -> list[int]:
        return [len(row) - start for row, start in zip(self.ids, self.starts, strict=True)]

    @classmethod
    def of(
        cls,
        lm: LanguageModel,
        texts: Sequence[str],
        prompts: Sequence[str] | None,
        settings: Settings,
        max_length: int | None,
    ) -> ForcedTexts:
        """`max_length`: tokens of a text with its prompt beyond which it is cut; None: not at all."""
        before = [""] * len(texts) if prompts is None else list(prompts)
        if isinstance(texts, str) or not texts or len(before) != len(texts):
            raise InputError(
                f"texts are a list with one prompt each, got {len(before)} for {len(texts)} texts"
            )
        whole = [prompt + text for prompt, text in zip(before, texts, strict=True)]
        limit = None if max_length is None else min(max_length, lm.max_positions or max_length)
        tokens = lm.tokenize(whole, max_length=limit)
        ids = tuple(tuple(row[mask].tolist()) for row, mask in zip(tokens.ids, tokens.mask, strict=True))
        starts = tuple(text_starts(lm, tokens, before))
        on_prompt = any(e.where.positions == "prompt" for spec, _ in settings for e in spec.interventions)
        if prompts is None and on_prompt:
            starts = tuple(max(1, len(row) // 2) for row in ids)
        for number, (row, start) in enumerate(zip(ids, starts, strict=True), start=1):
            if len(row) <= start:
                raise InputError(f"text {number} has no token to predict; give longer texts")
        order = tuple(sorted(range(len(ids)), key=lambda text: (len(ids[text]), text)))
        return cls(ids, starts, order)

    def tokens(self, lm: LanguageModel, texts: Sequence[int]) -> tuple[Tokens, Tensor]:
        """The rows, and how much of each is prompt for interventions."""
        starts = torch.tensor([self.starts[text] for text in texts])
        return Tokens.of([self.ids[text] for text in texts]).to(lm.device), starts
