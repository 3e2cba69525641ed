"""The language model's judge through a sweep, its model the oracle with a set error."""

import json

import numpy as np
import pytest

from saesteer.evaluation import SweepResult, baseline, figures, sweep_prefixes
from saesteer.judges import load_judge
from saesteer.llms.scripted import ScriptedClient
from saesteer.model import load_model
from saesteer.text import load_concept
from saesteer.world.texts import openings


@pytest.fixture(scope="module")
def lm():
    return load_model("world")


@pytest.fixture(scope="module")
def wedding():
    return load_concept("world/wedding")


def swept(lm, concept, judge, **options):
    prefixes = concept.prefixes[:1]
    return sweep_prefixes(lm, concept, openings(4), 2, judge, 0, 24, prefixes=prefixes, **options)


def test_without_errors_it_says_of_a_sweep_what_the_oracle_says(lm, wedding, tmp_path):
    client = {"client": "oracle", "error": 0.0, "cache": str(tmp_path / "answers")}
    kept = swept(lm, wedding, load_judge("llm", client=client), folder=tmp_path)
    truth = swept(lm, wedding, "oracle")
    assert [row.text for row in kept.rows] == [row.text for row in truth.rows]
    assert [row.id for row in kept.rows] == [row.id for row in truth.rows]
    for mine, exact in zip(kept.rows, truth.rows, strict=True):
        assert mine.ok and abs(mine.behaviour - exact.behaviour) <= 0.5 / 9 + 1e-12
        assert abs(mine.coherence - exact.coherence) <= 0.5 / 9 + 1e-12
    assert max(row.behaviour for row in kept.rows) > 0.5
    assert kept.provenance["judge_spent"]["requests"] == 16
    again = load_judge("llm", client=client)
    assert swept(lm, wedding, again, folder=tmp_path) == kept and again.spent["requests"] == 0


def test_answers_that_say_nothing_are_counted_and_never_averaged(lm, wedding):
    def answer(request):
        (name,) = json.loads(request.schema)["required"]
        return (
            "perhaps"
            if "coherence" in name and len(request.task.request.text) % 2
            else json.dumps({name: 10})
        )

    found = baseline(lm, wedding, openings(4), 2, load_judge("llm", client=ScriptedClient(answer)), 0, 24)
    bad = [row for row in found.rows if len(row.text) % 2]
    assert bad and [row for row in found.rows if not row.ok] == bad
    assert all(row.behaviour is None and "unparsed" in row.error for row in bad)
    told = figures(found.rows)
    assert (told.failed, told.behaviour.estimate) == (len(bad), 1.0)


def test_combinations_of_figures_are_those_of_their_formulas(lm, wedding):
    values = iter(range(10_000))

    def answer(request):
        names = json.loads(request.schema)["required"]
        return json.dumps({name: 1 + (7 * next(values) + 3) % 10 for name in names})

    judge = load_judge(
        "llm",
        client=ScriptedClient(answer),
        criteria=["behaviour", "coherence", "instruction"],
        concurrency=1,
    )
    found = baseline(lm, wedding, openings(4), 2, judge, 0, 12)
    told, rows = figures(found.rows), found.rows
    b, c = (np.array([getattr(row, name) for row in rows]) for name in ("behaviour", "coherence"))
    i = np.array([row.others["instruction"] for row in rows])
    assert told.product.estimate == pytest.approx(b.mean() * c.mean())
    assert told.mean_product.estimate == pytest.approx((b * c).mean())
    whole = [0 if min(each) == 0 else 3 / sum(1 / x for x in each) for each in zip(b, c, i, strict=True)]
    assert told.harmonic.estimate == pytest.approx(np.mean(whole))
    assert told.others["instruction"].estimate == pytest.approx(i.mean())
    assert told.harmonic.low < told.harmonic.estimate < told.harmonic.high
    loaded = SweepResult(found.rows, {}).summary
    assert {each.half for each in loaded} == {"selection", "test"}
