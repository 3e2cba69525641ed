"""The page of a detection: texts whose tokens are shaded by their scores, one file that needs no other.

Knows detections and how to draw them; not how scores are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from saesteer.concepts import Detection, Detector, Separation
from saesteer.errors import InputError
from saesteer.report import words
from saesteer.report.templating import environment, style
from saesteer.runs import write_text
from saesteer.statistics import Interval

_TOKENS: Final = 400  # of a text that are shown
_FAINT: Final = 4  # percent of the scale below which a token has no shade
_FIGURES: Final = {
    "auroc": "AUROC",
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "false_positive_rate": "False positives",
    "pearson": "Pearson",
    "spearman": "Spearman",
}
_VERDICTS: Final = {
    (True, True): "found, rightly",
    (True, False): "false alarm",
    (False, True): "missed",
    (False, False): "rightly left out",
}


@dataclass(frozen=True)
class ShownText:
    """A text on the page; `number` from 1, in the order of the source."""

    number: int
    detection: Detection
    positive: bool | None
    """What its label says."""
    grade: float | None = None


@dataclass(frozen=True)
class DetectionPage:
    """What the page tells."""

    detector: Detector
    summary: Mapping[str, Any]
    figures: Separation | None
    """On these texts."""
    texts: tuple[ShownText, ...]
    order: str = "score"
    command: str = ""
    title: str = ""
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Span:
    """A piece of text under one shade: a token, or the tokens of one cut letter."""

    space: str
    """Before it, never shaded."""
    text: str
    shade: int
    """Percent of the scale."""
    above: bool
    """Above the threshold by itself, where tokens and texts have one scale."""
    title: str


@dataclass(frozen=True)
class Scale:
    """Token scores from no shade to the darkest."""

    low: float
    high: float
    threshold: float | None

    def percent(self, score: float) -> int:
        """Where a score lies, from 0 to 100."""
        if self.high <= self.low:
            return 0
        return round(100 * min(1.0, max(0.0, (score - self.low) / (self.high - self.low))))


def write_detection_page(page: DetectionPage, path: str | Path) -> Path:
    """Write the page to `path`, whole or not at all."""
    if Path(path).suffix != ".html":
        raise InputError(f"a page is one .html file, got {path}; name it page.html")
    write_text(path, render_detection(page))
    return Path(path)


def render_detection(page: DetectionPage) -> str:
    """The whole page as one string: no script, nothing from elsewhere."""
    tokens = scale_of(page)
    scores = _of_texts(page)
    both = (("these texts", page.figures), ("held-out texts of the calibration", page.detector.figures))
    measured = [(name, figures) for name, figures in both if figures is not None]
    return (
        environment()
        .get_template("detection.html")
        .render(
            page=page,
            title=page.title or f"Detected: {page.detector.concept or _latents(page.detector)}",
            style=style("style.css", "detection.css"),
            sentences=sentences_of(page.detector, page.summary),
            measured=measured,
            rows=figure_rows([figures for _, figures in measured]),
            scale=tokens,
            texts=[_shown(each, page.detector, tokens, scores) for each in page.texts],
            strip=scores,
        )
    )


def scale_of(page: DetectionPage) -> Scale:
    """Of all tokens on the page: from 0 (pre-activations: from their median) to the highest."""
    values = np.array([s for each in page.texts for s in each.detection.scores if s is not None])
    low = 0.0 if page.detector.score == "h" else float(np.median(values))
    alike = page.detector.pool != "mean"
    return Scale(low, float(values.max()), page.detector.threshold if alike else None)


def spans(each: Detection, scale: Scale) -> tuple[Span, ...]:
    """The tokens as they are drawn, at most so many, around the strongest."""
    start, end = window(each)
    found: list[Span] = []
    place = start
    first = each.document.text[:1]
    while place < end:
        stop = place + 1
        while stop < end and not each.tokens[stop]:
            stop += 1
        found.append(_span(each, place, stop, scale))
        place = stop
    if not start and not first.isspace():  # some tokenizers put a space before a text
        found[0] = replace(found[0], space="")
    return tuple(found)


def window(each: Detection) -> tuple[int, int]:
    """The tokens that are shown, from a letter's first one."""
    if len(each.tokens) <= _TOKENS:
        return 0, len(each.tokens)
    peak = max((score, -place) for place, score in enumerate(each.scores) if score is not None)
    start = min(max(0, -peak[1] - _TOKENS // 2), len(each.tokens) - _TOKENS)
    end = start + _TOKENS
    while start and not each.tokens[start]:
        start -= 1
    return start, end


def sentences_of(detector: Detector, summary: Mapping[str, Any]) -> tuple[str, ...]:
    """What was scored, by what, and what came of it."""
    what = "pre-activation" if detector.score == "z" else "activation"
    many = f"the {detector.combine} of latents" if len(detector.latents) > 1 else "latent"
    pooled = {"max": "the highest token", "mean": "the mean of the tokens", "last": "the last token"}
    home = f" of {detector.sae}" if detector.sae else ""
    lines = [
        f"Score: the {what} of {many} {', '.join(map(str, detector.latents))}{home} at {detector.hookpoint}; "
        f"a text counts by {pooled[detector.pool]}."
    ]
    if detector.reason:
        lines.append(f"Why: {detector.reason}.")
    if detector.threshold is None:
        lines.append(f"Texts: {summary['texts']:,}, with scores alone; there is no threshold.")
    else:
        goal = f" ({detector.goal})" if detector.goal else ""
        lines.append(
            f"Texts: {summary['found']:,} of {summary['texts']:,} score above the threshold of "
            f"{words.number(detector.threshold, 3)}{goal}."
        )
    return tuple(lines)


def _shown(each: ShownText, detector: Detector, scale: Scale, strip: Scale) -> dict[str, Any]:
    """One text as the template wants it."""
    detection = each.detection
    start, end = window(detection)
    verdict = "" if detection.found is None else "found" if detection.found else "not found"
    if detection.found is not None and each.positive is not None:
        verdict = _VERDICTS[detection.found, each.positive]
    return {
        "number": each.number,
        "id": detection.document.id.rpartition("/")[2],
        "label": detection.document.label,
        "grade": each.grade if each.positive is None or each.grade not in (0.0, 1.0) else None,
        "score": detection.score,
        "found": detection.found,
        "verdict": verdict,
        "wrong": verdict in ("false alarm", "missed"),
        "place": strip.percent(detection.score),
        "spans": spans(detection, scale),
        "before": start,
        "after": len(detection.tokens) - end,
    }


def _span(each: Detection, start: int, end: int, scale: Scale) -> Span:
    known = [score for score in each.scores[start:end] if score is not None]
    text = each.tokens[start]
    named = words.bare_token(text)
    body = text.lstrip(" ")
    space, body = text[: len(text) - len(body)], drawn(body)
    if not known:
        return Span(space, body, 0, False, f"{named} does not count")
    top = max(known)
    shade = scale.percent(top)
    places = f"token {start + 1}" if end == start + 1 else f"tokens {start + 1} to {end}"
    numbers = ", ".join(words.number(score, 3) for score in known)
    above = scale.threshold is not None and top > scale.threshold
    return Span(space, body, shade if shade >= _FAINT else 0, above, f"{named}  {numbers}  {places}")


def drawn(text: str) -> str:
    """White space that shows: a line end as a sign before the line's end, a tab as an arrow."""
    plain = words.visible(text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "⇥\t"))
    body = plain.rstrip("\n")
    ends = len(plain) - len(body)
    return body.replace("\n", "↵\n") + "↵" * ends + ("\n" if ends else "")


def _of_texts(page: DetectionPage) -> Scale:
    """The scale of the scores of texts, with the threshold inside."""
    ends = [page.summary["lowest"], page.summary["highest"]]
    if page.detector.threshold is not None:
        ends.append(page.detector.threshold)
    return Scale(min(ends), max(ends), page.detector.threshold)


def _latents(detector: Detector) -> str:
    return f"latent{'s' if len(detector.latents) > 1 else ''} {', '.join(map(str, detector.latents))}"


def figure_rows(figures: Sequence[Separation]) -> list[tuple[str, list[Interval | None]]]:
    """The figures side by side, those that none has left out."""
    rows = [(label, [getattr(each, name) for each in figures]) for name, label in _FIGURES.items()]
    return [row for row in rows if any(each is not None for each in row[1])]
