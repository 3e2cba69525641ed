"""Several judges as one: behaviour from one, coherence from another, further figures from more.

Knows judges by their protocol. Each is asked once, about all texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saesteer.errors import InputError
from saesteer.judges.judge import (
    ClosingJudge,
    Judge,
    Judgement,
    JudgeRequest,
    SpendingJudge,
    check_all,
    fingerprints,
    judge_name,
)
from saesteer.judges.making import load_judge
from saesteer.runs import digest
from saesteer.text.concept import Concept

_OWN = ("behaviour", "coherence")
Given = str | Mapping[str, Any] | Judge


class CombinedJudge:
    """A judgement of which one part failed has failed: its figures belong together."""

    def __init__(self, parts: Mapping[str, Judge], own: Sequence[Judge] = ()) -> None:
        """`parts`: behaviour, coherence, and of further names the judge whose behaviour is that figure.

        `own`: those of them that are closed with this one.
        """
        self._parts, self._own = dict(parts), tuple(own)
        self.name = "combined (" + ", ".join(f"{n}: {judge_name(each)}" for n, each in parts.items()) + ")"

    @property
    def parts(self) -> tuple[Judge, ...]:
        """The different judges."""
        return tuple({id(each): each for each in self._parts.values()}.values())

    def check(self, concept: Concept) -> None:
        """InputError where one of them cannot judge it."""
        check_all(tuple(self._parts.values()), concept)

    @property
    def spent(self) -> dict[str, Any]:
        """By part, of those that cost."""
        return {name: each.spent for name, each in self._parts.items() if isinstance(each, SpendingJudge)}

    def close(self) -> None:
        """Close the judges that were made for this one."""
        for each in self._own:
            if isinstance(each, ClosingJudge):
                each.close()

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        answers: dict[int, list[Judgement]] = {}
        for each in self._parts.values():
            if id(each) not in answers:
                answers[id(each)] = each.judge(requests)
                if len(answers[id(each)]) != len(requests):
                    raise InputError(
                        f"{judge_name(each)} answered {len(answers[id(each)])} of {len(requests)}"
                    )
        return [
            _joined({name: answers[id(each)][number] for name, each in self._parts.items()})
            for number in range(len(requests))
        ]


class KeptCombinedJudge(CombinedJudge):
    """The same, of judges that all have fingerprints."""

    def fingerprint(self) -> str:
        return digest({"judge": "combined", "parts": fingerprints(self._parts)})


def combined(
    behaviour: Given, coherence: Given | None = None, others: Mapping[str, Given] | None = None
) -> CombinedJudge:
    """`others`: further figures by name, each the behaviour of a judge; equal lines are one judge."""
    given = {"behaviour": behaviour, "coherence": coherence, **dict(others or {})}
    if others and (taken := {*_OWN, "lenient"} & {*others}):
        raise InputError(f"others are further figures, got {sorted(taken)[0]}; rename it")
    made: dict[str, Judge] = {}
    parts = {}
    for name, each in given.items():
        if each is not None:
            key = str(each) if isinstance(each, str | Mapping) else str(id(each))
            parts[name] = made.setdefault(key, load_judge(each)) if key not in made else made[key]
    own = [each for each in made.values() if not any(each is one for one in given.values())]
    kept = fingerprints(parts) is not None
    return KeptCombinedJudge(parts, own) if kept else CombinedJudge(parts, own)


def _joined(said: Mapping[str, Judgement]) -> Judgement:
    detail = {
        **said["behaviour"].detail,
        "parts": {n: each.detail for n, each in said.items() if n != "behaviour"},
    }
    for name, each in said.items():
        if each.error is not None or _figure(name, each) is None:
            return Judgement.failed(f"{name}: {each.error or 'this judge does not judge that'}", detail)
    others = {**said["behaviour"].others, **{n: each.behaviour for n, each in said.items() if n not in _OWN}}
    coherence = said["coherence"].coherence if "coherence" in said else None
    known = {name: value for name, value in others.items() if value is not None}
    return Judgement(said["behaviour"].behaviour, coherence, said["behaviour"].lenient, detail, others=known)


def _figure(name: str, judgement: Judgement) -> float | None:
    return judgement.coherence if name == "coherence" else judgement.behaviour
