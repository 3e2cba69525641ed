"""The protocol that every judge follows, whether it is a grammar, a classifier or a language model.

Knows requests and judgements. Does not know where texts come from or what is done with the judgements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from saesteer.text.concept import Concept


@dataclass(frozen=True)
class JudgeRequest:
    """One text to judge: `text` is what was generated after `prompt`; only `text` is judged."""

    text: str
    prompt: str
    concept: Concept


@dataclass(frozen=True)
class Judgement:
    """What a judge says of one text; all figures in [0, 1].

    `behaviour`: how much of the text expresses the concept. `coherence`: how well formed it is. `lenient`:
    behaviour that forgives broken sentences, where a judge can tell. None: this judge does not judge that.
    A judgement that failed has `error` and no figures: it never looks like data.
    """

    behaviour: float | None
    coherence: float | None
    lenient: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    others: Mapping[str, float] = field(default_factory=dict)
    """Figures of further criteria by name, such as instruction."""

    @classmethod
    def failed(cls, error: str, detail: Mapping[str, Any] | None = None) -> Judgement:
        """No figures, and why."""
        return cls(None, None, None, dict(detail or {}), error)

    @property
    def figures(self) -> dict[str, float]:
        """Every figure that there is, by name."""
        own = {"behaviour": self.behaviour, "coherence": self.coherence, "lenient": self.lenient}
        return {name: value for name, value in own.items() if value is not None} | dict(self.others)


@runtime_checkable
class Judge(Protocol):
    """One call: as many judgements as requests, in their order.

    A judge may also have `fingerprint()` (see `FingerprintedJudge`), without which its sweeps are not kept in
    folders, `check(concept)` (see `CheckingJudge`), `spent` (see `SpendingJudge`), and `close()` (see
    `ClosingJudge`).
    """

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]: ...


@runtime_checkable
class FingerprintedJudge(Judge, Protocol):
    """A judge whose sweeps may be kept and found again."""

    def fingerprint(self) -> str:
        """Equal for judges that say the same of every text: a hash of settings, data and a revision."""
        ...


@runtime_checkable
class CheckingJudge(Judge, Protocol):
    """A judge that knows before any text is written which concepts it cannot judge."""

    def check(self, concept: Concept) -> None:
        """InputError where this judge cannot judge `concept`."""
        ...


@runtime_checkable
class SpendingJudge(Judge, Protocol):
    """A judge that asks somebody, which costs."""

    @property
    def spent(self) -> dict[str, Any]:
        """What all calls together have cost so far, as plain values: requests, tokens, cost, failures."""
        ...


@runtime_checkable
class ClosingJudge(Judge, Protocol):
    """A judge that holds connections or a model."""

    def close(self) -> None:
        """Give back what is held, where it was made by the judge itself."""
        ...


def judge_name(judge: Judge) -> str:
    """What reports and tables call it."""
    return str(getattr(judge, "name", "") or type(judge).__qualname__)


def close_all(judges: Iterable[Judge]) -> None:
    """Close those that hold something."""
    for each in judges:
        if isinstance(each, ClosingJudge):
            each.close()


def check_all(judges: Sequence[Judge], concept: Concept) -> None:
    """InputError where one of these judges cannot judge `concept`."""
    for each in judges:
        if isinstance(each, CheckingJudge):
            each.check(concept)


def fingerprints(judges: Mapping[str, Judge]) -> dict[str, str] | None:
    """Of each; None where one has none."""
    found = {
        name: each.fingerprint() for name, each in judges.items() if isinstance(each, FingerprintedJudge)
    }
    return found if len(found) == len(judges) else None
