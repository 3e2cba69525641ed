"""Explaining and scoring: what is missing is done, and one latent's failure is its own."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from saesteer.errors import SaesteerError
from saesteer.examples import Explanation, LatentFigures
from saesteer.llms import TimedOut
from saesteer.pipeline.interpretation import Results, load_results
from saesteer.pipeline.interpretation.running import Run, Stages
from saesteer.runs import Journal
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

ROOT = Path(__file__).parents[3]
ALL = sorted(f"{what} {each.latent}" for each in LATENTS for what in ("explain", "marked", "odd_one_out"))


def test_every_latent_is_explained_and_scored_once(tmp_path):
    client = Noting()
    end = run(tmp_path, stages(client))
    assert sorted(client.asked) == ALL
    found = load_results(tmp_path)
    assert sorted(each.latent for each in found.explanations) == list(LATENTS)
    assert {each.text for each in found.explanations} == {f"about explain {each.latent}" for each in LATENTS}
    assert {(each.scorer, each.explanation is None) for each in found.scores} == {
        ("marked", False),
        ("odd_one_out", True),
    }
    assert len(found.scores) == 24 and set(found.latents.values()) == {LatentFigures(0.5, 1.0, 1)}
    assert (end.latents, end.of, dict(end.failures)) == (12, 12, {})
    assert (end.usage.requests, end.usage.prompt_tokens, end.usage.cost) == (36, 360, 18.0)


def test_again_nothing_is_asked_and_no_record_is_read(tmp_path):
    run(tmp_path, stages(Noting()))
    client, records = Noting(), Records()
    end = run(tmp_path, stages(client, records))
    assert client.asked == records.read == [] and (end.latents, end.of) == (12, 12)


def test_more_latents_and_more_scorers_ask_only_for_what_is_new(tmp_path):
    run(tmp_path, stages(Noting(), scorers=()), LATENTS[:3])
    client = Noting()
    run(tmp_path, stages(client, scorers=(Marked(client),)), LATENTS[:4])
    assert sorted(client.asked) == ["explain 3", "marked 0", "marked 1", "marked 2", "marked 3"]


def test_other_settings_are_another_configuration(tmp_path):
    run(tmp_path, stages(Noting()), LATENTS[:2])
    client = Noting()
    run(tmp_path, stages(client, said=Said(client, "!")), LATENTS[:2])
    assert sorted(client.asked) == ["explain 0", "explain 1", "marked 0", "marked 1"]
    assert {each.explanation for each in load_results(tmp_path).scores} == {
        None,
        "about explain 0!",
        "about explain 1!",
    }
    client = Noting()
    run(tmp_path, stages(client, examples="other"), LATENTS[:2])
    assert len(client.asked) == 6
    client = Noting()
    run(tmp_path, stages(client), LATENTS[:2])  # back: all of it is there
    assert client.asked == [] and len(load_results(tmp_path).scores) == 4


def test_what_a_folder_holds_is_scored_without_an_explainer(tmp_path):
    run(tmp_path, stages(Noting(), scorers=()), LATENTS[:3])
    client = Noting()
    made = Stages(Records(), "e", None, (Marked(client),))
    results = Results(tmp_path)
    described(results, made)
    later = Run(made, results)
    assert later.latents() == LATENTS[:3]
    asyncio.run(later.run(LATENTS))  # those without an explanation have nothing to be scored
    assert sorted(client.asked) == ["marked 0", "marked 1", "marked 2"]
    assert len(load_results(tmp_path).explanations) == len(load_results(tmp_path).scores) == 3


ERRORS = {
    0: ValueError("odd \ud800"),
    1: TimedOut("120 s"),
    2: SystemExit(3),
    3: asyncio.CancelledError(),
    4: RecursionError(),
}
KINDS = {0: "ValueError", 1: "timed_out", 2: "SystemExit", 3: "CancelledError", 4: "RecursionError"}


def test_any_exception_of_an_explainer_is_a_failure_of_its_latent(tmp_path):
    client = Noting()
    end = run(tmp_path, stages(client, said=Said(client, errors=ERRORS)))
    found = load_results(tmp_path)
    failed = {each.latent.latent: each for each in found.explanations if each.failure}
    assert {latent: each.failure.kind for latent, each in failed.items()} == KINDS
    assert all(each.text is None and each.explainer == "said" for each in failed.values())
    assert dict(end.failures) == {kind: 1 for kind in KINDS.values()} and end.latents == 12
    scored = [each.latent.latent for each in found.scores if each.scorer == "marked"]
    assert sorted(scored) == list(range(5, 12))  # there is nothing to score of the others
    assert len([each for each in found.scores if each.scorer == "odd_one_out"]) == 12


def test_any_exception_of_a_scorer_is_a_failure_of_its_score(tmp_path):
    client = Noting()
    scorers = (Marked(client, errors=ERRORS), Marked(client, "odd_one_out", False))
    end = run(tmp_path, stages(client, scorers=scorers))
    found = load_results(tmp_path)
    failed = {each.latent.latent: each for each in found.scores if each.failures}
    assert {latent: each.failures[0].kind for latent, each in failed.items()} == KINDS
    assert all(each.value is None and each.explanation for each in failed.values())
    assert len(found.scores) == 24 and sum(end.failures.values()) == 5


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), object()])
def test_a_result_that_cannot_be_kept_is_a_failure(tmp_path, odd):
    client = Noting()
    run(tmp_path, stages(client, scorers=(Marked(client, value=odd),)), LATENTS[:2])
    found = load_results(tmp_path)
    assert [each.failures[0].kind for each in found.scores] == ["InputError"] * 2
    assert all(each.value is None for each in found.scores)


def test_half_a_surrogate_pair_in_an_answer_is_a_failure(tmp_path):
    client = Noting()
    run(tmp_path, stages(client, said=Said(client, "\udc00"), scorers=()), LATENTS[:2])
    assert [each.failure.kind for each in load_results(tmp_path).explanations] == ["UnicodeEncodeError"] * 2


@pytest.mark.parametrize("odd", [None, "words", 3])
def test_what_is_no_explanation_is_a_failure(tmp_path, odd):
    class Odd(Said):
        async def explain(self, record):
            return odd

    client = Noting()
    end = run(tmp_path, stages(client, said=Odd(client), scorers=()), LATENTS[:2])
    assert list(end.failures) == ["TypeError"]


def test_a_latent_without_a_record_is_counted_by_its_kind(tmp_path):
    client = Noting()
    end = run(tmp_path, stages(client, Records(skipped=[0, 1], odd=[2])), LATENTS[:4])
    found = load_results(tmp_path)
    kinds = {each.latent.latent: each.failure and each.failure.kind for each in found.explanations}
    assert kinds == {0: "too_few_windows", 1: "too_few_windows", 2: "OSError", 3: None}
    assert end.failures == {"too_few_windows": 4, "OSError": 2}  # explanation, and the score that needs none
    assert client.asked and found.latents[LATENTS[0]] == LatentFigures(0.0, 0.0, 0)


def test_what_failed_is_done_again_when_asked_and_only_that(tmp_path):
    client = Noting()
    scorers = (Marked(client, errors={5: ValueError("no")}), Marked(client, "odd_one_out", False))
    run(tmp_path, stages(client, said=Said(client, errors=ERRORS), scorers=scorers))
    client = Noting()
    run(tmp_path, stages(client))
    assert client.asked == []  # a failure is a result, until it is asked to be tried again
    run(tmp_path, stages(client), retry_failed=True)
    assert sorted(client.asked) == sorted(
        [f"{what} {each}" for each in range(5) for what in ("explain", "marked")] + ["marked 5"]
    )
    found = load_results(tmp_path)
    assert not [each for each in found.explanations if each.failure]
    assert not [each for each in found.scores if each.failures] and len(found.scores) == 24


def test_progress_counts_what_is_there_and_what_is_left(tmp_path):
    run(tmp_path, stages(Noting()), LATENTS[:4])
    told = []
    run(tmp_path, stages(Noting(), Records(skipped=[5])), LATENTS[:8], tell=told.append)
    assert told[0].of == 8 and [each.latents for each in told if each.latents > 4]
    assert told[-1].latents == 8 and told[-1].left == 0.0 and told[0].left is None
    assert told[-1].line().startswith("2 failures · 108 tokens · cost 4.5000 · 0 s left")


def test_a_full_disk_stops_the_run(tmp_path, monkeypatch):
    def full(self, *rows):
        raise SaesteerError("the disk is full")

    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(SaesteerError, match=r"^the disk is full$"):
        run(tmp_path, stages(Noting()))


def test_two_explainers_with_the_same_words_share_a_score(tmp_path):
    class Other(Said):
        name = "other"

        def fingerprint(self):
            return "other"

    client = Noting()
    run(tmp_path, stages(client, scorers=()), LATENTS[:2])
    run(tmp_path, stages(client, said=Other(client), scorers=(Marked(client),)), LATENTS[:2])
    assert sorted(client.asked) == [
        "explain 0",
        "explain 0",
        "explain 1",
        "explain 1",
        "marked 0",
        "marked 1",
    ]
    found = load_results(tmp_path)
    assert len(found.explanations) == 4 and len(found.scores) == 4  # a column for each explainer
    named = sorted((each.latent.latent, str(each.explainer)) for each in found.scores)
    assert named == [(0, "other"), (0, "said"), (1, "other"), (1, "said")]
    assert sum(each.usage.requests for each in found.scores) == 2  # what was asked once is paid for once


@pytest.mark.parametrize("parallel", [1, 3])
def test_no_more_latents_are_under_way_than_asked_for(tmp_path, parallel):
    begun, go = [], asyncio.Event()

    class Held(Said):
        async def explain(self, record):
            begun.append(record.id)
            await go.wait()
            return await super().explain(record)

    async def main():
        client, results = Noting(), Results(tmp_path)
        made = stages(client, said=Held(client), scorers=())
        described(results, made)
        task = asyncio.ensure_future(Run(made, results).run(LATENTS, parallel))
        while len(begun) < parallel:
            await asyncio.sleep(0)
        for _ in range(50):  # time for others, whose records are read in a thread too
            await asyncio.to_thread(lambda: None)
        held = len(begun)
        go.set()
        await task
        return held

    assert asyncio.run(main()) == parallel and len(begun) == 12


def test_a_line_says_whose_explanation_was_scored(tmp_path):
    run(tmp_path, stages(Noting()), LATENTS[:1])
    lines = {each["scorer"]: each["explainer"] for each in Journal(tmp_path / "scores.jsonl")}
    assert lines == {"marked": "said", "odd_one_out": None}


def test_records_are_read_out_of_the_loop_and_one_after_the_other(tmp_path):
    """The first may have to embed all windows of a cache; answers come in meanwhile."""
    began, go, under_way, most = threading.Event(), threading.Event(), [], []

    class Heavy(Records):
        def record(self, latent):
            under_way.append(latent)
            most.append(len(under_way))
            began.set()
            went_on = go.wait(20)
            under_way.remove(latent)
            go.set()
            if not went_on:
                raise TimeoutError("nobody else got on")
            return super().record(latent)

    async def both():
        made, results = stages(Noting(), Heavy()), Results(tmp_path)
        described(results, made)
        task = asyncio.ensure_future(Run(made, results).run(LATENTS, 4))
        while not began.is_set():
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        go.set()
        return await task

    assert asyncio.run(both()).failures == {} and set(most) == {1}


def start(place: Path) -> subprocess.Popen:
    script = [sys.executable, "-m", "tests.pipeline.interpretation.standins", str(place)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(script, cwd=ROOT, env=environment)


def asked(place: Path) -> list[str]:
    return list(Journal(place / "asked.jsonl"))


def kept(place: Path) -> set[str]:
    """The results that are on the disk, as the requests that they needed."""
    results = Results(place / "run")
    done = {f"explain {key.latent.latent}" for key in results.explained()}
    lines = Journal(place / "run" / "scores.jsonl")
    return done | {f"{line['scorer']} {line['latent'][1]}" for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 8, 20])
def test_killed_anywhere_the_next_start_asks_only_for_what_is_missing(tmp_path, after):
    with start(tmp_path) as process:
        while process.poll() is None and len(asked(tmp_path)) < after:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    first, done = asked(tmp_path), kept(tmp_path)
    assert process.returncode == -signal.SIGKILL and done < set(ALL) and len(first) >= after
    with start(tmp_path) as process:
        assert process.wait() == 0
    assert sorted(asked(tmp_path)[len(first) :]) == sorted(set(ALL) - done)
    found = load_results(tmp_path / "run")
    assert len(found.explanations) == 12 and len(found.scores) == 24
    assert all(type(each) is Explanation and each.text for each in found.explanations)
