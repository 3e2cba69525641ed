"""Judges: how much of a concept does a text express, and is it coherent?

Knows: the protocol that every judge follows, whether it is a grammar, a classifier or a language model.
Does not know: where the texts come from or what is done with the judgements.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from saesteer.names import Registry
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
    behaviour that forgives broken sentences, where a judge can tell. A judgement that failed has `error` and
    no figures: it never looks like data.
    """

    behaviour: float | None
    coherence: float | None
    lenient: float | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


@runtime_checkable
class Judge(Protocol):
    """One call: as many judgements as requests, in their order.

    A judge may also have `fingerprint()` (see `FingerprintedJudge`), without which its sweeps are not kept in
    folders, and `check(concept)` (see `CheckingJudge`).
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


JUDGES: Registry[type[Judge]] = Registry(
    "judge", {"oracle": "saesteer.world.judge:OracleJudge"}, "saesteer.judges"
)


def load_judge(judge: str | Judge) -> Judge:
    """A judge by name, or the judge itself."""
    return JUDGES.get(judge)() if isinstance(judge, str) else judge
