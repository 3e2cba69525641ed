"""Numbers and texts as people read them. Knows formats; no HTML."""

from __future__ import annotations

import math
import re

from saesteer.statistics import Interval
from saesteer.text.concepts import bare_name

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")

_HIDDEN = re.compile(f"{_UNSEEN.pattern}|[\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u2060-\u2064\ufeff]")


def number(value: float | None, digits: int = 2) -> str:
    """0.31, or a dash where there is none, as of 0 / 0."""
    if value is None or math.isnan(value):
        return "–"  # noqa: RUF001
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"  # noqa: RUF001
    rounded = round(value, digits) + 0.0  # no minus before a zero
    return f"{rounded:.{digits}f}".replace("-", "−")  # noqa: RUF001


def short(value: float) -> str:
    """Three digits that count, for figures of any size: 1,240, 3.09, 0.0145, 8.2e-05."""
    if not math.isfinite(value):
        return number(value)
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−") if text.startswith("-") else text  # noqa: RUF001


def chance(p: float) -> str:
    """A p-value: 0.031, 0.4, or below 0.001."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def duration(seconds: float) -> str:
    """48 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def times(value: float) -> str:
    """6.2x, with fewer digits where they say nothing."""
    if math.isnan(value):
        return number(value)
    return f"{number(value, 0 if math.isfinite(value) and value >= 20 else 1)}×"  # noqa: RUF001


def signed(value: float) -> str:
    """+0.31 or -0.02 with a proper minus."""
    text = number(value)
    return text if text.startswith("−") else f"+{text}"  # noqa: RUF001


def between(interval: Interval, digits: int = 2) -> str:
    """0.25 to 0.38."""
    return f"{number(interval.low, digits)} to {number(interval.high, digits)}"


_UNITS = {"residual_norm": "residual norms", "latent_max": "times the latent's maximum", "raw": ""}


def unit(name: str) -> str:
    """A unit of strength in words."""
    return _UNITS.get(name, name.replace("_", " "))


def counted(count: int, noun: str) -> str:
    """1 concept, 3 concepts."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def cut(text: str, most: int) -> str:
    """`text`, visible, in `most` letters: the family that a concept is of goes first, then its end."""
    shown = visible(text)
    if len(shown) > most:
        shown = bare_name(shown)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def visible(text: str) -> str:
    """`text` with control, bidirectional and broken characters made harmless."""
    return _UNSEEN.sub("\ufffd", text)


def token(text: str) -> str:
    """A token with its white space shown."""
    return visible(text.replace("\r", "").replace("\n", "↵").replace("\t", "⇥"))


def bare_token(text: str) -> str:
    """A token on its own: a leading space shows as a low dot."""
    return token(re.sub(r"^ ", "·", text) or "∅")


def exact(text: str) -> str:
    """`text`; what draws nothing, or turns the text that follows around, is written out as ⟨U+202E⟩."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)
