"""Several tries, and the one that foretells best what the latent does in windows that no try has seen.

Those windows are held out of the examples that explain; the examples that test are not looked at, neither by
the tries nor by the choice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, NamedTuple

from saesteer.errors import InputError
from saesteer.examples import Example, Explanation, Failure, LatentRecord, Score
from saesteer.explainers import Explainer
from saesteer.llms import NOTHING, ClientError, Usage, total
from saesteer.runs import digest

Valued = Callable[[LatentRecord, Explanation], Awaitable[Score | float | None]]
"""How well an explanation does on a record's test examples, which here are those held out; None: unknown.

Of a Score its value counts, and what it took.
"""


class _Worth(NamedTuple):
    """A value, or why there is none; and what finding it took."""

    value: float | None = None
    why: str | None = None
    usage: Usage = NOTHING


@dataclass(frozen=True)
class BestOf:
    """The first try is the inner explainer as it is, the others have other seeds and `temperature`."""

    inner: Explainer
    value: Valued
    valued_by: str = ""
    """What `value` is, for the fingerprint: that of a scorer, mostly."""
    k: int = 4
    temperature: float = 0.8
    held_out: float = 0.3
    """Share of the examples that choose."""
    seed: int = 0
    name: str = field(default="best_of", init=False)

    def __post_init__(self) -> None:
        if self.k < 1 or not 0 < self.held_out < 1:
            raise InputError(
                f"give k of 1 or more and a share held_out between 0 and 1, got {self.k}, {self.held_out}"
            )
        inner: Any = self.inner
        names = {each.name for each in fields(inner)} if is_dataclass(inner) else set()
        if self.k > 1 and not {"seed", "temperature"} <= names:
            raise InputError(
                f"the explainer {self.inner.name!r} has no seed and temperature, so that tries would be "
                "alike; give one that asks a language model"
            )

    async def explain(self, record: LatentRecord) -> Explanation:
        """Fails by "too_few_examples", as the first try where all do, or by "unscored" without any value."""
        shown, kept = parted(record.train, self.held_out)
        if not shown or not kept:
            said = (
                f"{len(record.train)} active windows to explain and choose by, 2 are needed; read more texts"
            )
            return Explanation(record.id, self.name, None, Failure("too_few_examples", said))
        silent, silent_kept = parted(record.silent_train, self.held_out)
        part = replace(record, train=shown, silent_train=silent, test=kept, silent_test=silent_kept)
        blind = replace(part, test=(), silent_test=())
        tries = await asyncio.gather(*(each.explain(blind) for each in self._explainers()))
        values = await self._values(part, tries)
        return self._best(record, tries, values, len(kept) + len(silent_kept))

    def fingerprint(self) -> str:
        """Of the inner explainer, the settings, and what is said of `value`."""
        names = ("valued_by", "k", "temperature", "held_out", "seed", "name")
        settings = {each: getattr(self, each) for each in names}
        return digest(settings | {"inner": self.inner.fingerprint()})

    def _explainers(self) -> list[Explainer]:
        inner: Any = self.inner
        others = [replace(inner, seed=self.seed + i, temperature=self.temperature) for i in range(1, self.k)]
        return [inner, *others]

    async def _values(self, record: LatentRecord, tries: Sequence[Explanation]) -> list[_Worth]:
        """Of each; equal texts are valued, and paid for, once."""
        texts = {each.text: each for each in tries if each.text is not None}
        found = await asyncio.gather(*(self._value(record, each) for each in texts.values()))
        left = dict(zip(texts, found, strict=True))
        worth = []
        for each in tries:
            own = _Worth() if each.text is None else left[each.text]
            worth.append(own)
            if each.text is not None:
                left[each.text] = own._replace(usage=NOTHING)
        return worth

    async def _value(self, record: LatentRecord, each: Explanation) -> _Worth:
        try:
            found = await self.value(record, each)
        except ClientError as error:
            return _Worth(why=error.kind, usage=error.usage)
        value, usage = (found.value, found.usage) if isinstance(found, Score) else (found, NOTHING)
        if value is None or not math.isfinite(value):
            return _Worth(why="unscored", usage=usage)
        return _Worth(value, usage=usage)

    def _best(
        self,
        record: LatentRecord,
        tries: Sequence[Explanation],
        values: Sequence[_Worth],
        held_out: int,
    ) -> Explanation:
        rows = [
            {
                "text": each.text,
                "failure": each.failure.kind if each.failure else worth.why,
                "value": worth.value,
                "details": dict(each.details),
            }
            for each, worth in zip(tries, values, strict=True)
        ]
        usage = total([each.usage for each in tries]) + total([worth.usage for worth in values])
        ranked = [(each.value, -i) for i, each in enumerate(values) if each.value is not None]
        details = {"candidates": rows, "held_out": held_out, "chosen": -max(ranked)[1] if ranked else None}
        if ranked:
            text = tries[-max(ranked)[1]].text
            return Explanation(record.id, self.name, text, usage=usage, details=details)
        failure = Failure("unscored", "no try could be valued; look at the scorer that chooses")
        if all(each.text is None for each in tries):
            failure = tries[0].failure or Failure("unparsed", "no try has a text")
        return Explanation(record.id, self.name, None, failure, usage, details)


def parted(examples: Sequence[Example], share: float) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Most of them, and the share that is held out: evenly spread over strong and weak ones."""
    ordered = sorted(examples, key=lambda each: (-each.max, each.start))
    count = min(max(1, round(share * len(ordered))), len(ordered) - 1) if len(ordered) > 1 else 0
    out = {(2 * i + 1) * len(ordered) // (2 * count) for i in range(count)}
    return (
        tuple(each for i, each in enumerate(ordered) if i not in out),
        tuple(each for i, each in enumerate(ordered) if i in out),
    )
