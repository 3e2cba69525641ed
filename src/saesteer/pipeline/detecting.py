"""A detection from texts to files: scores, figures where the texts are labelled, tables and the page.

Knows the order of the steps; what a score is: concepts/detection.py.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from saesteer.concepts import Detection, Detector, Separation, detect, separation
from saesteer.concepts.thresholds import Goal, threshold_for
from saesteer.concepts.truth import grade_of, truth_of
from saesteer.errors import InputError
from saesteer.model import LanguageModel
from saesteer.pipeline.detection_files import written
from saesteer.report.detection import DetectionPage, ShownText, write_detection_page
from saesteer.runs import atomic_files
from saesteer.saes import SAE
from saesteer.text import Document
from saesteer.text.document import GRADE

DETECTOR: Final = "detector.yaml"
PAGE: Final = "page.html"
Order = Literal["score", "text"]


@dataclass(frozen=True)
class DetectionRun:
    """What came of it; the texts themselves are in the files, but for those that are shown."""

    detector: Detector
    summary: Mapping[str, Any]
    """texts, found, labelled, tokens; lowest, median and highest score."""
    figures: Separation | None
    """On these texts; None where there are not positive and negative labels among them."""
    rows: tuple[ShownText, ...]
    """The shown ones, in the order that was asked for."""
    files: tuple[Path, ...]


def run_detection(
    lm: LanguageModel,
    sae: SAE,
    detector: Detector,
    documents: Iterable[Document | str],
    out: str | Path | None = None,
    *,
    as_csv: bool = False,
    shown: int = 100,
    order: Order = "score",
    positive: Collection[str] = (),
    grade: str = GRADE,
    command: str = "",
    notes: Collection[str] = (),
    context: int | None = None,
    batch_tokens: int = 4096,
) -> DetectionRun:
    """Score every text; with `out`, write texts and tokens, detector.yaml and page.html there.

    `shown`: texts on the page, the highest scores or (`order` "text") the first ones. `positive`: labels that
    count as the concept, where they are no numbers. `notes`: cautions that the page shows.
    """
    if order not in ("score", "text") or shown < 1:
        raise InputError(f"order is score or text and shown is 1 or more, got {order!r} and {shown}")
    kept = _Kept(shown, order)
    found = detect(lm, sae, detector, documents, context=context, batch_tokens=batch_tokens)
    with nullcontext() if out is None else atomic_files(out) as folder:
        with written(folder, as_csv, positive, grade) as (write, files):
            for number, each in enumerate(found, start=1):
                write(each)
                kept.take(number, each, truth_of(each.document, positive), grade_of(each.document, grade))
            if not kept.scores:
                raise InputError("there are no texts to score; give at least one")
        run = DetectionRun(detector, kept.summary(), kept.figures(detector), kept.shown(), ())
        if folder is None or out is None:
            return run
        page = DetectionPage(detector, run.summary, run.figures, run.rows, order, command, notes=tuple(notes))
        files = (*files, detector.save(folder / DETECTOR), write_detection_page(page, folder / PAGE))
    return replace(run, files=tuple(Path(out) / each.name for each in files))


def with_quantile(
    lm: LanguageModel,
    sae: SAE,
    detector: Detector,
    documents: Iterable[Document | str],
    goal: str,
    *,
    context: int | None = None,
    batch_tokens: int = 4096,
) -> Detector:
    """The detector with a threshold at a quantile of these texts' own scores; they need no labels."""
    wanted = Goal.parse(goal)
    scores = [
        each.score
        for each in detect(lm, sae, detector, documents, context=context, batch_tokens=batch_tokens)
    ]
    return replace(detector, threshold=threshold_for(wanted, np.array(scores)), goal=f"{wanted} of the texts")


class _Kept:
    """What is remembered of the texts that went by: two numbers of each, and the few that are shown."""

    def __init__(self, count: int, order: Order) -> None:
        self.count, self.order = count, order
        self.scores: list[float] = []
        self.truth: list[bool | None] = []
        self.grades: list[float] = []
        self.tokens = self.found = 0
        self._heap: list[tuple[float, int, ShownText]] = []

    def take(self, number: int, each: Detection, truth: bool | None, grade: float | None) -> None:
        """The next text."""
        self.scores.append(each.score)
        self.truth.append(truth)
        self.grades.append(math.nan if grade is None else grade)
        self.tokens += len(each.tokens)
        self.found += bool(each.found)
        key = (each.score if self.order == "score" else 0.0, -number)
        if len(self._heap) < self.count:
            heapq.heappush(self._heap, (*key, ShownText(number, each, truth, grade)))
        elif key > self._heap[0][:2]:
            heapq.heapreplace(self._heap, (*key, ShownText(number, each, truth, grade)))

    def shown(self) -> tuple[ShownText, ...]:
        """Highest score first, or in order; ties by number."""
        return tuple(each for _, _, each in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1])))

    def figures(self, detector: Detector) -> Separation | None:
        """Of the labelled ones."""
        known = np.array([each is not None for each in self.truth])
        truth = np.array([bool(each) for each in self.truth])[known]
        if truth.all() or not truth.any():
            return None
        scores, grades = (np.array(each)[known] for each in (self.scores, self.grades))
        return separation(scores, truth, detector.threshold, grades)

    def summary(self) -> dict[str, Any]:
        """In numbers."""
        return {
            "texts": len(self.scores),
            "found": self.found,
            "labelled": sum(each is not None for each in self.truth),
            "tokens": self.tokens,
            "lowest": min(self.scores),
            "median": float(np.median(self.scores)),
            "highest": max(self.scores),
        }
