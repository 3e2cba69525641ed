"""Detection: scores of latents for the tokens of texts, and for the texts; a threshold from labelled ones.

Knows the doors of a model and of an SAE. Texts come and go one after the other; only some are held at a time.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saesteer.concepts.detector import Detector
from saesteer.concepts.separation import Separation, separation
from saesteer.concepts.thresholds import Goal, threshold_for
from saesteer.concepts.truth import grade_of, truth_of
from saesteer.errors import InputError
from saesteer.latents import Places, hookpoint_of
from saesteer.latents.reading import Reader, grouped, token_strings
from saesteer.latents.wording import token_pieces
from saesteer.model import LanguageModel
from saesteer.runs import versions
from saesteer.saes import SAE
from saesteer.text import Document, split
from saesteer.text.document import GRADE
from saesteer.text.splits import together

Scored = tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]
_PART = 16_384  # tokens that are read before their texts are handed on
_CHUNK = 2**22  # pre-activations held at once
_LEAST = 2  # documents of a class on each side of the split


@dataclass(frozen=True)
class Detection:
    """One text with its scores."""

    document: Document
    score: float
    found: bool | None
    """Above the threshold; None without one."""
    tokens: tuple[str, ...]
    """Put together they are the text; a letter that was cut stands at its first token. No BOS."""
    ids: tuple[int, ...]
    scores: tuple[float | None, ...]
    """Per token; None for special ones, which do not count."""


def detect(
    lm: LanguageModel,
    sae: SAE,
    detector: Detector,
    documents: Iterable[Document | str],
    *,
    context: int | None = None,
    batch_tokens: int = 4096,
) -> Iterator[Detection]:
    """The texts in order, each with its scores; a long text goes through the model in pieces of `context`.

    InputError where the detector is of another SAE or model, or a text has no tokens that count.
    """
    check_detector(lm, sae, detector)
    reader = Reader.of(lm, detector.hookpoint, context, batch_tokens)
    held: dict[int, Document] = {}
    for group in grouped(reader.rows(_noted(documents, held)), _PART, whole_documents=True):
        blocks = list(reader.blocks(group))
        values = [token_scores(sae, each.activations[reader.at[0]], detector) for each in blocks]
        order = np.argsort(np.concatenate([each.order for each in blocks]), kind="stable")
        places = Places.join([each.places for each in blocks]).take(order)
        del blocks
        yield from _detections(lm, detector, places, np.concatenate(values)[order], held)


@torch.no_grad()
def token_scores(sae: SAE, x: Float[Tensor, "n d_in"], detector: Detector) -> Float[np.ndarray, " n"]:
    """The detector's score of every token."""
    x, latents = x.to(sae.W_enc.device), list(detector.latents)
    found = []
    for part in x.split(max(1, _CHUNK // sae.cfg.d_sae)):
        each = sae.latent(part, latents) if detector.score == "h" else sae.pre(part)[:, latents]
        found.append(each.amax(-1) if detector.combine == "max" else each.sum(-1))
    return torch.cat(found).double().cpu().numpy()


def pooled(scores: Float[np.ndarray, " n"], how: str) -> float:
    """One score of a text's tokens that count, in order."""
    if how == "last":
        return float(scores[-1])
    return float(scores.max() if how == "max" else scores.mean())


def calibrate(
    lm: LanguageModel,
    sae: SAE,
    detector: Detector,
    documents: Iterable[Document],
    *,
    goal: str = "f1",
    positive: Collection[str] = (),
    grade: str = GRADE,
    share: float = 0.5,
    seed: int = 0,
    context: int | None = None,
    batch_tokens: int = 4096,
) -> Detector:
    """The detector with a threshold for `goal` (f1, fpr=RATE, quantile=RATE) from a `share` of the labelled
    documents, and its figures on the rest of them. A text, or a pair, is on one side only.

    `positive`: labels that count as the concept, where they are no numbers. Documents without one are left
    out. InputError where there are not both kinds on both sides.
    """
    wanted = Goal.parse(goal)
    if not 0 < share < 1:
        raise InputError(f"the share that calibrates lies between 0 and 1, got {share}; try 0.5")
    every = list(documents)
    known = [each for each in every if truth_of(each, positive) is not None]
    parts = split(known, {"calibration": share, "test": 1 - share}, seed, together, stratified=True)
    for name, part in parts.items():
        _check_kinds(part, positive, name, len(every))

    def of(part: str, detector: Detector) -> Scored:
        found = detect(lm, sae, detector, parts[part], context=context, batch_tokens=batch_tokens)
        return scored(found, positive, grade)

    scores, truth, _ = of("calibration", detector)
    found = replace(detector, threshold=threshold_for(wanted, scores, truth), goal=str(wanted))
    scores, truth, grades = of("test", found)
    texts = hashlib.sha256("\0".join(each.text for each in known).encode()).hexdigest()
    counts = {name: len(part) for name, part in parts.items()} | {"unlabelled": len(every) - len(known)}
    about = {"texts": texts, "documents": counts, "seed": seed, "share": share, "positive": sorted(positive)}
    return replace(
        found,
        figures=separation(scores, truth, found.threshold, grades),
        provenance={**detector.provenance, "calibration": about, "versions": versions()},
    )


def scored(detections: Iterable[Detection], positive: Collection[str] = (), grade: str = GRADE) -> Scored:
    """Scores, labels and grades (NaN where there is none) of the labelled texts."""
    rows = [
        (each.score, truth, math.nan if (number := grade_of(each.document, grade)) is None else number)
        for each in detections
        if (truth := truth_of(each.document, positive)) is not None
    ]
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return np.array(columns[0], float), np.array(columns[1], bool), np.array(columns[2], float)


def measured(
    detector: Detector, detections: Iterable[Detection], positive: Collection[str] = (), grade: str = GRADE
) -> Separation | None:
    """The figures on labelled texts; None where there are not both kinds among them."""
    scores, truth, grades = scored(detections, positive, grade)
    if not len(truth) or truth.all() or not truth.any():
        return None
    return separation(scores, truth, detector.threshold, grades)


def check_detector(lm: LanguageModel, sae: SAE, detector: Detector) -> None:
    """InputError where the latents, the hookpoint, the SAE or the model are not the detector's."""
    for each in detector.latents:
        sae.direction(each)  # refuses a number that there is not, with the range
    hookpoint_of(lm, sae, detector.hookpoint)
    known = {
        "SAE": (detector.sae, detector.sae_fingerprint, sae.fingerprint),
        "model": (detector.model, detector.model_fingerprint, lm.fingerprint),
    }
    for noun, (name, expected, fingerprint) in known.items():
        if expected and expected != fingerprint():
            raise InputError(
                f"the detector is of the {noun} {name} ({expected[:12]}), this one is {fingerprint()[:12]}; "
                "its threshold holds for no other, so calibrate anew"
            )


def _noted(documents: Iterable[Document | str], held: dict[int, Document]) -> Iterator[Document]:
    for number, each in enumerate(documents):
        held[number] = each if isinstance(each, Document) else Document(each, f"document {number + 1}")
        yield held[number]


def _detections(
    lm: LanguageModel,
    detector: Detector,
    places: Places,
    scores: Float[np.ndarray, " n"],
    held: dict[int, Document],
) -> Iterator[Detection]:
    strings = token_strings(lm, np.unique(places.ids))
    inside = places.position >= 0
    starts = np.flatnonzero(np.r_[True, np.diff(places.document) != 0])
    for start, end in zip(starts, [*starts[1:], len(places)], strict=True):
        here = np.arange(start, end)[inside[start:end]]
        document = held.pop(int(places.document[start]))
        yield _detection(lm, detector, document, places.take(here), scores[here], strings)


def _detection(
    lm: LanguageModel,
    detector: Detector,
    document: Document,
    places: Places,
    scores: Float[np.ndarray, " n"],
    strings: dict[int, str],
) -> Detection:
    counts = ~places.special
    if not counts.any():
        raise InputError(f"{document.id} has special tokens only; remove it")
    ids: Sequence[int] = _numbers(places.ids)
    score = pooled(scores[counts], detector.pool)
    return Detection(
        document,
        score,
        detector.found(score),
        token_pieces(lm, ids, strings),
        tuple(ids),
        tuple(float(each) if count else None for each, count in zip(scores, counts, strict=True)),
    )


def _numbers(ids: Int[np.ndarray, " n"]) -> list[int]:
    return [int(each) for each in ids]


def _check_kinds(part: Sequence[Document], positive: Collection[str], name: str, every: int) -> None:
    yes = sum(bool(truth_of(each, positive)) for each in part)
    if min(yes, len(part) - yes) < _LEAST:
        raise InputError(
            f"of {every} documents the {name} half has {yes} positive and {len(part) - yes} negative ones; "
            f"give labelled texts with {_LEAST} or more of each on either side, or a threshold"
        )
