"""Settings of a sweep against each other, text by text, by a judge that compares. Knows rows and judge.

Two settings meet on texts of the same concept, prompt, seed and number; each pair is asked in both orders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation.rows import Row
from saesteer.judges import JudgeRequest
from saesteer.judges.pairwise import Comparison, PairwiseJudge, position_bias
from saesteer.judges.ratings import Game, Rating, ratings
from saesteer.statistics import Interval
from saesteer.text.concept import Concept


@dataclass(frozen=True)
class Tournament:
    """Who is rated how, and how far the judge can be believed."""

    ratings: tuple[Rating, ...]
    comparisons: tuple[tuple[str, str, Comparison], ...]
    """Ids of the two rows, and what was said."""
    bias: Interval
    """Of the judge for the text that is shown first: 0 none, 1 always."""
    disagreeing: float
    """Share of the pairs of which the two orders say different things."""
    failed: int
    spent: Mapping[str, Any]


def contestant(row: Row) -> str:
    """A setting by its name: method, variant, strength."""
    variant = f" {row.variant}" if row.variant else ""
    return f"{row.method}{variant} {row.strength:g}"


def tournament(
    rows: Sequence[Row],
    judge: PairwiseJudge,
    concepts: Mapping[str, Concept],
    by: Callable[[Row], str] = contestant,
    seed: int = 0,
) -> Tournament:
    """Every two contestants on every text that both have; `by` names a row's contestant."""
    pairs = _pairs(rows, by)
    if not pairs:
        raise InputError("no two settings have texts of one concept and prompt; sweep at least two of them")
    missing = sorted({row.concept for row, _ in pairs} - set(concepts))
    if missing:
        raise InputError(f"the concept {missing[0]!r} is in the rows and was not given; give it")
    asked = [(_request(one, concepts), _request(other, concepts)) for one, other in pairs]
    said = judge.compare(asked)
    games = [
        Game(by(one), by(other), each.points, one.prompt_id)
        for (one, other), each in zip(pairs, said, strict=True)
        if each.points is not None
    ]
    if not games:
        raise SaesteerError(f"all {len(said)} comparisons failed, such as: {said[0].error}; mend the client")
    bias = position_bias(said, [one.prompt_id for one, _ in pairs], seed)
    fine = [each for each in said if each.error is None]
    return Tournament(
        ratings(games, seed=seed),
        tuple((one.id, other.id, each) for (one, other), each in zip(pairs, said, strict=True)),
        bias,
        sum(each.first != each.second for each in fine) / len(fine),
        len(said) - len(fine),
        judge.spent,
    )


def _pairs(rows: Sequence[Row], by: Callable[[Row], str]) -> list[tuple[Row, Row]]:
    seeds: dict[str, set[int]] = {}
    for row in rows:
        seeds.setdefault(by(row), set()).add(row.seed)
    # By the place of the seed, so that settings of one seed each meet whatever these are.
    place_of = {(name, seed): i for name, own in seeds.items() for i, seed in enumerate(sorted(own))}
    met: dict[tuple[str, str, int, int], dict[str, Row]] = {}
    for row in rows:
        place = met.setdefault((row.concept, row.prompt_id, place_of[by(row), row.seed], row.sample), {})
        if by(row) in place:
            raise InputError(
                f"{by(row)} has two texts of one prompt, seed and number; name contestants apart"
            )
        place[by(row)] = row
    return [pair for each in met.values() for pair in combinations(each.values(), 2)]


def _request(row: Row, concepts: Mapping[str, Concept]) -> JudgeRequest:
    return row.to_judge(concepts[row.concept])
