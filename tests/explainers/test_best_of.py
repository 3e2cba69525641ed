"""Several tries and a choice that looks at no test example."""

import asyncio
import math
from dataclasses import replace

import pytest

from saesteer.errors import InputError
from saesteer.examples import Score
from saesteer.explainers import EXPLAINERS, Explainer
from saesteer.explainers.best_of import BestOf, parted
from saesteer.explainers.default import Default
from saesteer.explainers.token_statistics import TokenStatistics
from saesteer.llms import TimedOut, Unavailable, Usage
from tests.explainers.made import WEDDING, Answering, example

VALUES = {"one": 0.2, "two": 0.9, "three": 0.9}


class Valued:
    """Values by text; keeps what it was shown."""

    def __init__(self, values=VALUES):
        self.values, self.seen = values, []

    async def __call__(self, record, explanation):
        self.seen.append((record, explanation))
        found = self.values.get(explanation.text)
        if isinstance(found, Exception):
            raise found
        return found


def tried(answers, values=None, of=WEDDING, **settings):
    client, value = (
        Answering([a if isinstance(a, Exception) else f"EXPLANATION: {a}" for a in answers]),
        Valued(),
    )
    value.values = VALUES if values is None else values
    made = BestOf(Default(client), value, k=len(answers), **settings)
    return asyncio.run(made.explain(of)), client, value


def test_the_best_is_taken_and_all_are_told():
    found, client, _ = tried(["one", "two", "three"], seed=10)
    assert (found.text, found.explainer, found.usage.requests) == ("two", "best_of", 3)
    assert found.details["chosen"] == 1
    assert [(row["text"], row["value"]) for row in found.details["candidates"]] == list(VALUES.items())
    assert [(each.seed, each.temperature) for each in client.asked] == [(None, 0.0), (11, 0.8), (12, 0.8)]


def test_nothing_that_tests_is_shown_and_nothing_shown_chooses():
    found, client, value = tried(["one", "two"])
    prompts = "".join(message.content for each in client.asked for message in each.messages)
    assert "SECRET" not in prompts and not any(each.task.record.test for each in client.asked)
    judged, _ = value.seen[0]
    assert not {id(each) for each in judged.test} & {id(each) for each in WEDDING.test}
    shown, kept = ({id(each) for each in side} for side in (judged.train, judged.test))
    assert shown and kept and not shown & kept and shown | kept == {id(each) for each in WEDDING.train}
    assert {id(e) for e in (*judged.silent_train, *judged.silent_test)} == {
        id(e) for e in WEDDING.silent_train
    }
    assert len(client.asked[0].messages[-1].content.splitlines()) == len(shown)
    assert found.details["held_out"] == len(judged.test) + len(judged.silent_test)


def test_equal_tries_are_valued_once():
    found, _, value = tried(["one", "one", "two"])
    assert len(value.seen) == 2 and found.text == "two"


def test_what_the_scorer_spent_is_counted_once_for_equal_tries():
    values = {
        "one": Score(WEDDING.id, "detection", "one", 0.2, usage=Usage(3, 30, 3, cost=0.25)),
        "two": TimedOut("too slow; wait longer", Usage(1, 7, retries=2)),
        "three": Score(WEDDING.id, "detection", "three", None, usage=Usage(2, 20)),
    }
    found, _, _ = tried(["one", "one", "two", "three", ""], values)
    assert found.text == "one" and found.details["candidates"][1]["value"] == 0.2
    assert found.usage == Usage(5 + 3 + 1 + 2, 500 + 57, 50 + 3, retries=2, cost=2.75)


def test_a_try_that_failed_was_paid_for():
    found, _, _ = tried([Unavailable("503; ask later", Usage(1, 40)), "one"])
    assert found.text == "one" and found.usage == Usage(2, 140, 10, cost=0.5)


def test_tries_that_fail_are_no_candidates():
    found, _, _ = tried([Unavailable("503; ask later"), "one", ""])
    assert (found.text, found.details["chosen"]) == ("one", 1)
    assert [row["failure"] for row in found.details["candidates"]] == ["unavailable", None, "unparsed"]


def test_a_value_that_cannot_be_had_does_not_win():
    values = {"one": TimedOut("too slow; wait longer"), "two": math.nan, "three": -1.0}
    found, _, _ = tried(["one", "two", "three"], values)
    assert found.text == "three"
    assert [row["failure"] for row in found.details["candidates"]] == ["timed_out", "unscored", None]


def test_failures_of_all():
    nothing, _, _ = tried([Unavailable("503; ask later"), ""])
    assert nothing.text is None and nothing.failure.kind == "unavailable"
    unvalued, _, _ = tried(["one", "two"], {})
    assert unvalued.text is None and unvalued.failure.kind == "unscored" and unvalued.usage.requests == 2
    few, client, _ = tried(["one"], of=replace(WEDDING, train=WEDDING.train[:1]))
    assert few.failure.kind == "too_few_examples" and not client.asked


@pytest.mark.parametrize(
    ("n", "share", "kept"), [(0, 0.3, 0), (1, 0.3, 0), (2, 0.3, 1), (10, 0.3, 3), (10, 0.99, 9)]
)
def test_what_is_held_out_is_strong_and_weak(n, share, kept):
    windows = [example(f"x|{i + 1}", i) for i in range(n)]
    shown, held = parted(windows[::-1], share)
    assert len(held) == kept and len(shown) == n - kept
    if kept == 3:
        assert sorted(each.max for each in held) == [2.0, 5.0, 9.0]


def test_what_cannot_be_tried_twice_is_refused():
    with pytest.raises(InputError, match="alike"):
        BestOf(TokenStatistics(), Valued())
    assert asyncio.run(BestOf(TokenStatistics(least=1), Valued({}), k=1).explain(WEDDING)).failure
    with pytest.raises(InputError, match="k of 1"):
        BestOf(TokenStatistics(), Valued(), k=0)
    with pytest.raises(InputError, match="held_out"):
        BestOf(TokenStatistics(), Valued(), k=1, held_out=1.0)


def test_the_fingerprint_knows_what_is_inside():
    inner = Default(Answering(["x"]))
    made = [
        BestOf(inner, Valued()),
        BestOf(replace(inner, levels=True), Valued()),
        BestOf(inner, Valued(), "fuzzing"),
        BestOf(inner, Valued(), k=2),
        BestOf(inner, Valued(), seed=1),
    ]
    assert len({each.fingerprint() for each in made}) == len(made)
    assert BestOf(inner, Valued()).fingerprint() == made[0].fingerprint()
    assert EXPLAINERS.get("best_of") is BestOf and isinstance(made[0], Explainer)
