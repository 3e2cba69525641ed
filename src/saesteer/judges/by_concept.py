"""A judge of its own for each concept, as where every task has its own questions. Knows judges' protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saesteer.errors import InputError
from saesteer.judges.judge import (
    Judge,
    Judgement,
    JudgeRequest,
    SpendingJudge,
    check_all,
    close_all,
    fingerprints,
    judge_name,
)
from saesteer.runs import digest
from saesteer.text.concept import Concept


class JudgeByConcept:
    """Each request goes to the judge of its concept's name; all of them have fingerprints."""

    def __init__(self, judges: Mapping[str, Judge]) -> None:
        if not judges:
            raise InputError("there is a judge for no concept; give one at least")
        self._judges = dict(judges)
        self._fingerprints = fingerprints(judges)
        if self._fingerprints is None:
            raise InputError("one of the judges has no fingerprint; give judges that have one")
        self.name = judge_name(next(iter(judges.values())))

    def fingerprint(self) -> str:
        """Of all of them with their concepts."""
        return digest({"judge": "by_concept", "judges": self._fingerprints})

    def check(self, concept: Concept) -> None:
        """InputError where there is no judge for it, or where that one cannot judge it."""
        check_all([self.of(concept)], concept)

    def of(self, concept: Concept) -> Judge:
        """The judge of a concept."""
        if concept.name not in self._judges:
            raise InputError(f"no judge was given for the concept {concept.name!r}; give one")
        return self._judges[concept.name]

    @property
    def spent(self) -> dict[str, Any]:
        """By concept, of those that cost."""
        return {name: each.spent for name, each in self._judges.items() if isinstance(each, SpendingJudge)}

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        parts: dict[str, list[int]] = {}
        for number, request in enumerate(requests):
            parts.setdefault(request.concept.name, []).append(number)
        found: dict[int, Judgement] = {}
        for numbers in parts.values():
            judge = self.of(requests[numbers[0]].concept)
            said = judge.judge([requests[each] for each in numbers])
            found |= dict(zip(numbers, said, strict=True))
        return [found[number] for number in range(len(requests))]

    def close(self) -> None:
        """Those that hold something."""
        close_all(self._judges.values())
