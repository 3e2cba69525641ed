"""What a scorer's request asks, typed, beside its text: for clients that know the answer. Knows no prompt."""

from __future__ import annotations

from dataclasses import dataclass

Window = tuple[str, ...]
"""The texts of a window's tokens."""


@dataclass(frozen=True)
class DetectionTask:
    """Which windows hold what the explanation names? The answer: one 0 or 1 per window."""

    explanation: str
    windows: tuple[Window, ...]
    truth: tuple[bool, ...]
    """Whether the latent is active there."""


@dataclass(frozen=True)
class FuzzingTask:
    """In which windows are the marked tokens what the explanation names? One 0 or 1 per window."""

    explanation: str
    windows: tuple[Window, ...]
    marks: tuple[tuple[bool, ...], ...]
    """Per window which tokens are marked."""
    truth: tuple[bool, ...]
    """Whether the marks are where the latent is active."""


@dataclass(frozen=True)
class IntruderTask:
    """Which window does not belong to the others? The answer: its number, the first is 1."""

    windows: tuple[Window, ...]
    marks: tuple[tuple[bool, ...], ...] | None
    """None where nothing is marked."""
    truth: int
    """The intruder's place, the first is 0."""


@dataclass(frozen=True)
class SimulationTask:
    """How active is the latent at each token, from 0 to 10? One line or one number of a list per token."""

    explanation: str
    tokens: Window
    truth: tuple[int, ...]
    json: bool
    """Whether the answer is a JSON object instead of lines."""


Task = DetectionTask | FuzzingTask | IntruderTask | SimulationTask
