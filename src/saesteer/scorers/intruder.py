"""Intruder: which of a few windows does not belong to the others? No explanation is needed.

The others are active windows of one quantile. The odd one is silent, or ("quantile") an active window of
another quantile: then a high accuracy says that the latent does one thing when weak and another when strong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from saesteer.errors import InputError
from saesteer.examples import Example, Explanation, Failure, LatentRecord, Score, marked
from saesteer.examples.luck import digest_luck
from saesteer.llms import Client, Reply, Request
from saesteer.scorers.asking import ask, fingerprint_of, place_of, too_few, unparsed, without_answers
from saesteer.scorers.classification import Figures
from saesteer.scorers.logprobs import Choices, share
from saesteer.scorers.marks import mean_count, random_marks, true_marks
from saesteer.scorers.tasks import IntruderTask
from saesteer.scorers.templates import conversation, numbered, prompts_hash

Odd = Literal["silent", "quantile"]
_TOP = 20
_NUMBER = re.compile(r"\[\s*(\d{1,3})\s*\]")
_BARE = re.compile(r"\s*(\d{1,3})\s*\.?\s*")


@dataclass(frozen=True)
class Riddle:
    """The windows of one request, and which of them is the odd one."""

    windows: tuple[Example, ...]
    place: int
    request: Request

    @property
    def odd(self) -> Example:
        return self.windows[self.place]

    @property
    def others(self) -> Example:
        """One of them."""
        return self.windows[0 if self.place else 1]


@dataclass(frozen=True, eq=False)
class Intruder:
    """One request per test window of the odd kind, `questions` at most."""

    client: Client
    n: int = 5
    odd: Odd = "silent"
    marked: bool = False
    """Mark the active tokens, and in silent windows as many random ones as active windows have on average."""
    questions: int = 50
    seed: int = 0
    logprobs: bool = True
    max_tokens: int = 100
    name: str = ""
    """"intruder", or "intruder_quantile" where the odd one is of another quantile, unless one is given."""

    headline = "accuracy"
    needs_explanation = False

    def __post_init__(self) -> None:
        if self.odd not in get_args(Odd):
            raise InputError(f"the odd one is one of {', '.join(get_args(Odd))}, got {self.odd!r}")
        if not 3 <= self.n <= 9 or self.questions < 1:
            given = f"n={self.n}, questions={self.questions}"
            raise InputError(
                f"an intruder is among n of 3 to 9 windows, and questions is 1 or more, got {given}"
            )
        plain = "intruder" if self.odd == "silent" else f"intruder_{self.odd}"
        object.__setattr__(self, "name", self.name or plain)

    async def score(self, record: LatentRecord, explanation: Explanation | None = None) -> Score:
        """Accuracy, of which 1/n is chance; rows are requests."""
        riddles = self.riddles(record)
        if not riddles:
            needed = f"active test windows of one quantile and a {self.odd} one"
            return without_answers(self.name, record, None, too_few(needed, len(record.test), self.n - 1))
        replies, usage = await ask(self.client, [each.request for each in riddles])
        rows: list[dict[str, Any]] = []
        failures: list[Failure] = []
        for riddle, reply in zip(riddles, replies, strict=True):
            found = reply if isinstance(reply, Failure) else parse_number(reply, self.n)
            if isinstance(found, Failure):
                failures.append(found)
            else:
                rows.append(_row(riddle, *found))
        figures = _figures(rows, self.n)
        return Score(
            record.id, self.name, None, figures["accuracy"], figures, tuple(rows), tuple(failures), usage
        )

    def requests(self, record: LatentRecord, explanation: str = "") -> list[Request]:
        """What would be asked."""
        return [each.request for each in self.riddles(record)]

    def riddles(self, record: LatentRecord) -> list[Riddle]:
        """The same with the windows of each request; none where the record has too few."""
        dice = digest_luck(self.seed, self.odd, str(record.id))
        intruders = record.silent_test if self.odd == "silent" else record.test
        groups = _groups(record.test, self.n - 1, whole=self.odd == "silent")
        count = mean_count(record.test)
        found = []
        for turn, place in enumerate(dice.permutation(len(intruders))[: self.questions]):
            odd = intruders[place]
            usable = [each for each in groups if self.odd == "silent" or each[0].quantile != odd.quantile]
            if not usable:
                continue
            group = usable[turn % len(usable)]
            windows = [group[each] for each in dice.choice(len(group), self.n - 1, replace=False)]
            windows.insert(at := int(dice.integers(self.n)), odd)
            found.append(Riddle(tuple(windows), at, self._request(windows, at, count, record)))
        return found

    def fingerprint(self) -> str:
        names = ("name", "n", "odd", "marked", "questions", "seed", "logprobs", "max_tokens")
        made = {"prompts": prompts_hash("intruder"), "client": self.client.fingerprint()}
        return fingerprint_of("intruder", {each: getattr(self, each) for each in names} | made)

    def _request(self, windows: Sequence[Example], place: int, count: int, record: LatentRecord) -> Request:
        flags = tuple(self._flags(each, count, record) for each in windows) if self.marked else None
        task = IntruderTask(tuple(each.tokens for each in windows), flags, place)
        shown = [each.text for each in windows]
        if flags is not None:
            shown = [marked(each.tokens, marks) for each, marks in zip(windows, flags, strict=True)]
        messages = conversation("intruder", texts=numbered(shown))
        return Request(messages, self.max_tokens, top_logprobs=_TOP if self.logprobs else 0, task=task)

    def _flags(self, window: Example, count: int, record: LatentRecord) -> tuple[bool, ...]:
        if window.active.any():
            return tuple(true_marks(window).tolist())
        dice = digest_luck(self.seed, str(record.id), window.row, window.start)
        return tuple(random_marks(window, count, dice).tolist())


def parse_number(reply: Reply, n: int) -> tuple[int, Mapping[str, float] | None] | Failure:
    """The last number in brackets, or the one that is all of the reply; and what it might have been."""
    found = [*_NUMBER.finditer(reply.text)][-1:] or [*filter(None, [_BARE.fullmatch(reply.text)])]
    if not found:
        return unparsed("no number in brackets", reply)
    number = int(found[0].group(1))
    if not 1 <= number <= n:
        return unparsed(f"{number} is not a text of 1 to {n}", reply, "wrong_number")
    choices = Choices.of(reply)
    return number, None if choices is None else choices.at(*found[0].span(1))


def _row(riddle: Riddle, said: int, choices: Mapping[str, float] | None) -> dict[str, Any]:
    numbers = tuple(str(each) for each in range(1, len(riddle.windows) + 1))
    truth = riddle.place + 1
    return place_of(riddle.odd) | {
        "truth": truth,
        "said": said,
        "probability": None if choices is None else share(choices, str(truth), numbers),
        "others_quantile": place_of(riddle.others)["quantile"],
    }


def _figures(rows: Sequence[Mapping[str, Any]], n: int) -> Figures:
    right = np.array([row["truth"] == row["said"] for row in rows], dtype=bool)
    figures: Figures = {"accuracy": float(right.mean()) if len(right) else None, "chance": 1 / n}
    quantiles = [row["others_quantile"] for row in rows]
    for each in sorted({each for each in quantiles if each is not None}):
        chosen = np.array([quantile == each for quantile in quantiles])
        figures[f"accuracy_quantile_{each}"] = float(right[chosen].mean())
    return figures


def _groups(windows: Sequence[Example], least: int, whole: bool) -> list[list[Example]]:
    """Windows by quantile, of which each has enough; `whole`: all of them where no quantile has."""
    found: dict[int | None, list[Example]] = {}
    for each in windows:
        found.setdefault(each.quantile, []).append(each)
    kept = list(_ordered(found, least))
    return kept or ([list(windows)] if whole and len(windows) >= least else [])


def _ordered(groups: Mapping[int | None, list[Example]], least: int) -> Iterator[list[Example]]:
    for quantile in sorted(groups, key=lambda each: -1 if each is None else each):
        if len(groups[quantile]) >= least:
            yield groups[quantile]
