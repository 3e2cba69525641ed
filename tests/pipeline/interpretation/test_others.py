"""Scorers that need what is said of another latent: it is there before they begin, and the seed draws it."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from saesteer.examples import Explanation, Failure, Score
from saesteer.llms import NOTHING
from saesteer.pipeline.interpretation import load_results
from saesteer.pipeline.interpretation.results import Results
from saesteer.pipeline.interpretation.running import Run, Stages
from tests.pipeline.interpretation.standins import (
    LATENTS,
    Marked,
    Noting,
    Records,
    Said,
    described,
    run,
    stages,
)


@dataclass
class Controlled:
    """Keeps what it was given beside the explanation."""

    seed: int = 0
    name: str = "controlled"
    needs_other: bool = True
    needs_explanation = True
    headline = "f1"

    async def score(self, record, explanation):
        await asyncio.sleep(0)
        said = record.other and record.other.text
        return Score(record.id, self.name, explanation.text, 0.5, rows=({"other": said},))

    def fingerprint(self):
        return f"{self.name}{self.seed}"


def others(folder):
    """Latent -> the control that its score had."""
    return {each.latent.latent: each.rows[0]["other"] for each in load_results(folder).scores if each.rows}


def made(seed=0, records=None, said=None, **options):
    client = Noting()
    return stages(client, records, said or Said(client), (Controlled(seed, **options),))


@pytest.mark.parametrize("parallel", [1, 3])
def test_every_latent_gets_the_explanation_of_another(tmp_path, parallel):
    run(tmp_path, made(), parallel=parallel)
    found = others(tmp_path)
    assert set(found) == set(range(12))
    texts = {f"about explain {latent}" for latent in range(12)}
    assert all(text in texts - {f"about explain {latent}"} for latent, text in found.items())
    assert len(set(found.values())) > 3  # not one for all


def test_the_seed_alone_draws_it(tmp_path):
    for name, options in {"a": {"parallel": 1}, "b": {"parallel": 5}, "c": {"seed": 1}}.items():
        run(tmp_path / name, made(options.pop("seed", 0)), **options)
    assert others(tmp_path / "a") == others(tmp_path / "b") != others(tmp_path / "c")


def test_scoring_later_draws_the_same(tmp_path):
    run(tmp_path / "at_once", made())
    run(tmp_path / "later", made(), LATENTS[::-1], parallel=2)
    client = Noting()
    run(tmp_path / "apart", stages(client, scorers=()))
    later = Stages(Records(), "e", None, (Controlled(),))
    results = Results(tmp_path / "apart")
    described(results, later)
    asyncio.run(Run(later, results).run(LATENTS))
    assert others(tmp_path / "at_once") == others(tmp_path / "later") == others(tmp_path / "apart")


def test_of_the_same_explainer_and_never_in_its_own_words(tmp_path):
    class Other(Said):
        name = "other"

        async def explain(self, record):
            text = "the same" if record.id.latent < 3 else f"other {record.id.latent}"
            return Explanation(record.id, self.name, text)

        def fingerprint(self):
            return "other"

    run(tmp_path, stages(Noting(), scorers=()))
    run(tmp_path, made(said=Other(Noting())), LATENTS[:5])
    found = {each.latent.latent: each.rows[0]["other"] for each in load_results(tmp_path).scores}
    assert all(text.startswith(("other", "the same")) for text in found.values())  # not of "said"
    assert all(found[latent] != "the same" for latent in range(3))


def test_of_two_explainers_in_a_folder_each_has_its_own(tmp_path):
    class Other(Said):
        name = "other"

        def fingerprint(self):
            return "other"

    results = Results(tmp_path)
    run(tmp_path, stages(Noting(), scorers=()))
    run(tmp_path, stages(Noting(), said=Other(Noting(), "!"), scorers=()))
    later = Stages(Records(), "e", None, (Controlled(),))
    described(results, later)
    asyncio.run(Run(later, results).run(LATENTS))
    scores = load_results(tmp_path).scores
    assert len(scores) == 24
    for each in scores:
        assert each.rows[0]["other"].endswith("!") == (each.explainer == "other")


def test_alone_there_is_none_and_without_the_wish_neither(tmp_path):
    run(tmp_path / "one", made(), LATENTS[:1])
    run(tmp_path / "plain", made(needs_other=False))
    assert others(tmp_path / "one") == {0: None} and set(others(tmp_path / "plain").values()) == {None}


def test_the_passes_fail_count_and_resume_as_one(tmp_path):
    told, failing = [], {3: ValueError("no")}
    end = run(tmp_path, made(said=Said(Noting(), errors=failing)), tell=told.append)
    assert (end.latents, end.of, dict(end.failures)) == (12, 12, {"ValueError": 1})
    assert [each.latents for each in told][-1] == 12 and max(each.latents for each in told) == 12
    assert set(others(tmp_path)) == set(range(12)) - {3}
    records = Records()
    run(tmp_path, made(records=records))
    assert records.read == []
    run(tmp_path, made(), retry_failed=True)
    assert set(others(tmp_path)) == set(range(12))


def test_what_a_failure_took_is_kept(tmp_path):
    """Of a client that refused, and of a result that could not be written."""

    class Odd(Marked):
        async def score(self, record, explanation):
            found = await super().score(record, explanation)
            return replace(found, value=float("nan")) if record.id.latent == 1 else found

    class Surrogate(Said):
        async def explain(self, record):
            found = await super().explain(record)
            return replace(found, text="\ud800") if record.id.latent == 2 else found

    client = Noting()
    end = run(tmp_path, stages(client, said=Surrogate(client), scorers=(Odd(client),)), LATENTS[:3])
    found = load_results(tmp_path)
    assert end.usage.requests == 5 and end.usage.cost == 2.5
    assert [each.failure and each.failure.kind for each in found.explanations].count(
        "UnicodeEncodeError"
    ) == 1
    assert all(each.usage.requests == 1 for each in (*found.explanations, *found.scores))
    assert Failure("InputError", "").kind in {each.kind for one in found.scores for each in one.failures}


def test_a_client_error_that_nobody_caught_says_what_it_took(tmp_path):
    from saesteer.llms import TimedOut, Usage

    client, late = Noting(), TimedOut("120 s", Usage(1, 70, retries=5))
    scorers = (Marked(client, errors={0: late}),)
    run(tmp_path, stages(client, said=Said(client, errors={1: late}), scorers=scorers), LATENTS[:2])
    found = load_results(tmp_path)
    assert [each.usage for each in found.scores] == [late.usage]
    assert late.usage in [each.usage for each in found.explanations] and late.usage != NOTHING
