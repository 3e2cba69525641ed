"""Perplexity of texts of any length, steered and plain, by overlapping windows. Knows models and specs.

A text of n tokens is read in windows that begin `stride` tokens after one another. Each token counts once, in
the first window that holds it behind another token: there it sees the most, at least window - stride tokens
before it. A text that fits into one window is read at once, so nothing is lost. SCAR's published figures have
a window of 8192 and a stride of 512. Later windows begin in the middle of a text, without BOS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Final

import torch

from saesteer.errors import InputError
from saesteer.evaluation.fluency import Surprise
from saesteer.evaluation.forced import ForcedTexts, Settings, settings_of, steered_rows
from saesteer.model import LanguageModel, Tokens
from saesteer.saes import SAE
from saesteer.steering import SteeringSpec

WINDOW: Final = 8192
STRIDE: Final = 512
Cut = tuple[int, int, int]
"""Where a window begins, where it ends, and from where on its tokens count."""


def strided_surprise(
    lm: LanguageModel,
    spec: SteeringSpec | Sequence[SteeringSpec] | None,
    strengths: Sequence[float] | None,
    texts: Sequence[str],
    prompts: Sequence[str] | None = None,
    *,
    window: int = WINDOW,
    stride: int = STRIDE,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
) -> list[list[Surprise]]:
    """Per setting the surprise of each text; with `prompts` that of the true continuation of each.

    Settings are a spec at `strengths`, or specs; None: the plain model, one setting. `window` is cut to what
    the model can read, and `stride` then to half of it.
    """
    if not 0 < stride < window:
        raise InputError(f"a stride is at least 1 and below the window, got {stride} and {window}")
    settings: Settings = [] if spec is None else settings_of(spec, strengths)
    read = ForcedTexts.of(lm, texts, prompts, settings, None)
    nats = _read_in_windows(lm, read, settings, window, stride, saes, force)
    return [[Surprise(each, n) for each, n in zip(row, read.counts, strict=True)] for row in nats]


def surprise_of(
    lm: LanguageModel, read: ForcedTexts, window: int = WINDOW, stride: int = STRIDE
) -> list[float]:
    """The nats that the plain `lm` finds in each of these texts, from where it is said to begin."""
    return _read_in_windows(lm, read, [], window, stride, None, False)[0]


def _read_in_windows(
    lm: LanguageModel,
    read: ForcedTexts,
    settings: Settings,
    window: int,
    stride: int,
    saes: Mapping[str, SAE] | None,
    force: bool,
) -> list[list[float]]:
    """Summed nats of each text, per setting; without settings by the plain model."""
    limit = lm.max_positions
    if limit is not None and window > limit:
        window, stride = limit, min(stride, max(1, limit // 2))
    cuts = [
        (text, cut)
        for text in read.order
        for cut in windows(len(read.ids[text]), read.starts[text], window, stride)
    ]
    if len(cuts) > len(read.ids):
        _check_placing(settings)
    asked: list[tuple[SteeringSpec | None, float | None]] = [*settings] or [(None, 0.0)]
    rows = [(number, text, cut) for text, cut in cuts for number in range(len(asked))]
    sums = Context().run(_measure, lm, asked, read, rows, saes, force)
    nats = [[0.0] * len(read.ids) for _ in asked]
    for (number, text, _), each in zip(rows, sums, strict=True):
        nats[number][text] += each
    return nats


def windows(length: int, start: int, window: int, stride: int) -> list[Cut]:
    """The windows of a text whose tokens count from `start` on; each has one that counts."""
    found: list[Cut] = []
    begin, counted = 0, start
    while counted < length:
        end = min(begin + window, length)
        if end > counted:
            found.append((begin, end, counted))
            counted = end
        begin += stride
    return found


@torch.no_grad()
def _measure(
    lm: LanguageModel,
    settings: Sequence[tuple[SteeringSpec | None, float | None]],
    texts: ForcedTexts,
    rows: Sequence[tuple[int, int, Cut]],
    saes: Mapping[str, SAE] | None,
    force: bool,
) -> list[float]:
    """Summed nats of each row's tokens that count; rows of alike lengths lie together."""
    order = sorted(range(len(rows)), key=lambda row: (rows[row][2][1] - rows[row][2][0], row))
    sums = [0.0] * len(rows)
    while order:
        longest = rows[order[-1]][2][1] - rows[order[-1]][2][0]
        size = max(1, lm.batch_tokens // longest)
        chosen, order = order[-size:], order[:-size]
        part = [rows[each] for each in chosen]
        tokens = Tokens.of([texts.ids[text][begin:end] for _, text, (begin, end, _) in part])
        prompt = torch.tensor([max(0, texts.starts[text] - cut[0]) for _, text, cut in part])
        with steered_rows(lm, [settings[number] for number, _, _ in part], saes, force):
            nll = lm.nll(tokens.to(lm.device), prompt).double().cpu()
        for place, (row, (_, _, (begin, end, counted))) in enumerate(zip(chosen, part, strict=True)):
            found = float(nll[place, counted - begin - 1 : end - begin - 1].sum())
            sums[row] = found if found == found else float("inf")
    return sums


def _check_placing(settings: Settings) -> None:
    """InputError where an edit is placed from the text's begin, which later windows do not hold."""
    for spec, _ in settings:
        for each in spec.interventions:
            counted = each.where.positions == "first" or isinstance(each.where.positions, tuple)
            if counted or (each.when is not None and each.when.scope != "token"):
                raise InputError(
                    f"a text is longer than the window, and the edit at {each.hookpoint} is placed from the "
                    "text's begin; raise the window, or cut the texts"
                )
