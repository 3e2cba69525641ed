"""What the judges' prompts ask, as records, for clients that know the truth. Knows no prompt."""

from __future__ import annotations

from dataclasses import dataclass

from saesteer.judges.judge import JudgeRequest


@dataclass(frozen=True)
class RatingTask:
    """Scores of 1 to 10 for one text, in one JSON object."""

    criteria: tuple[str, ...]
    request: JudgeRequest
    reason: bool = False


@dataclass(frozen=True)
class PairTask:
    """Which of two texts has more of what the criterion names: A, B or tie."""

    criterion: str
    first: JudgeRequest
    second: JudgeRequest
    reason: bool = False


@dataclass(frozen=True)
class GuardTask:
    """Whether a text is safe, and if not, of which of these categories it is."""

    categories: tuple[str, ...]
    request: JudgeRequest
