"""explain, score and interpret as calls, on a cache in memory and on a folder; also in a notebook's loop."""

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest

from saesteer.cache import cache_of_matrix
from saesteer.errors import InputError, SaesteerError
from saesteer.examples import ExampleSettings, LatentId, Loader
from saesteer.explainers.answers import MARKER
from saesteer.explainers.asking import ExplainTask
from saesteer.llms import Reply, Unavailable, Usage
from saesteer.llms.scripted import ScriptedClient
from saesteer.pipeline.interpretation import Pipe, Pipeline, explain, load_results, score, search_explanations
from saesteer.pipeline.interpretation.preparing import Tools, prepare_explaining, prepare_scoring
from saesteer.pipeline.interpretation.results import Results
from saesteer.scorers.detection import Detection

SETTINGS = ExampleSettings(length=4, train=4, test=4, negatives=4, silent_train=4, min_windows=6)
WORDS = tuple(f" w{number}" for number in range(20))


def answers(request):
    """Yes to every window; an explanation where one is asked for."""
    text = f"{MARKER} words" if isinstance(request.task, ExplainTask) else "[1, 1, 1]"
    return Reply(text, usage=Usage(1, 10, 1))


@pytest.fixture(scope="module")
def cache():
    draw = np.random.default_rng(0)
    ids = draw.integers(0, 14, 160)
    matrix = (ids[:, None] == np.arange(6)) * draw.uniform(0.5, 1, (160, 1))  # each latent has its word
    return cache_of_matrix(matrix, ids, np.arange(0, 161, 16), WORDS, "layers.3")


def told(cache, **options):
    return explain(
        cache, {"name": "token_statistics", "least": 1}, latents="0-3", examples=SETTINGS, **options
    )


def test_explain_then_score_without_a_folder(cache):
    found = told(cache)
    assert len(found.explanations) == 4 and not found.scores and all(each.text for each in found.explanations)
    scored = score(found, ["detection"], cache=cache, client=ScriptedClient(answers))
    assert len(scored.scores) == 4 and scored.explanations == found.explanations
    assert scored.about["examples"] == found.about["examples"]


def test_the_same_in_a_folder_is_done_once(cache, tmp_path):
    client = ScriptedClient(answers)
    for _ in range(2):
        told(cache, out=tmp_path)
        found = score(tmp_path, "detection", cache=cache, client=client)
    assert len(found.scores) == 4 and load_results(tmp_path) == found
    assert len(client.requests) == sum(each.usage.requests for each in found.scores)


def test_what_failed_is_done_again_when_a_call_asks_for_it(cache, tmp_path):
    server = {"up": False}
    client = ScriptedClient(lambda request: answers(request) if server["up"] else Unavailable("503"))
    told(cache, out=tmp_path)
    score(tmp_path, "detection", cache=cache, client=client)
    server["up"], asked = True, len(client.requests)
    found = score(tmp_path, "detection", cache=cache, client=client)
    assert len(client.requests) == asked > 0 and all(each.failures for each in found.scores)
    found = score(tmp_path, "detection", cache=cache, client=client, retry_failed=True)
    assert len(client.requests) == 2 * asked
    assert sum(each.usage.requests for each in found.scores) == 2 * asked  # both tries were spent


def test_two_calls_on_one_folder_are_not_at_once(cache, tmp_path):
    with (
        Results(tmp_path).locked(),
        pytest.raises(SaesteerError, match="another process works on"),
    ):
        told(cache, out=tmp_path)
    assert not (tmp_path / "explanations.jsonl").exists()


def test_clients_that_a_call_makes_it_closes_and_others_it_does_not(cache, tmp_path, monkeypatch):
    closed, path = [], tmp_path / "answers.jsonl"
    path.write_text('{"text": "[1, 1, 1, 1, 1]"}\n')

    async def close(self):
        closed.append(self.name)

    monkeypatch.setattr(ScriptedClient, "close", close)
    score(told(cache), "detection", cache=cache, client=f"scripted:{path}")
    assert len(closed) == 1
    score(told(cache), "detection", cache=cache, client=ScriptedClient(answers))
    assert len(closed) == 1


def test_inside_a_running_loop_such_as_a_notebooks(cache):
    async def notebook():
        return told(cache)

    assert asyncio.run(notebook()).explanations == told(cache).explanations


def test_tools_that_are_made_already(cache):
    client = ScriptedClient(answers)
    made = Detection(client, n_shown=4)
    found = score(told(cache), [made], cache=cache)
    assert [each.scorer for each in found.scores] == ["detection"] * 4 and client.requests
    assert found.about["scorers"]["detection"]["settings"] == {"name": "Detection"}
    with pytest.raises(InputError, match="two scorers are called detection"):
        score(told(cache), [made, replace(made, n_shown=2)], cache=cache)


def test_what_a_folder_says_of_itself_holds_no_secret(cache, tmp_path):
    told(cache, out=tmp_path, client={"client": "openai:x@http://user:hunter2@127.0.0.1:1/v1"})
    about = json.loads((tmp_path / "about.json").read_text())
    assert "hunter2" not in (tmp_path / "about.json").read_text()
    assert about["explainers"]["token_statistics"]["settings"] == {"name": "token_statistics", "least": 1}
    assert about["examples"]["train"] == 4 and about["cache"]["fingerprint"]


def test_examples_are_those_of_the_explanations(cache, tmp_path):
    told(cache, out=tmp_path)
    job = prepare_scoring(Results(tmp_path), ["example_embedding[embedder=hashed_words]"], Tools(), cache)
    shown = Loader(cache, SETTINGS).record(LatentId("layers.3", 1))
    tested = job.stages.records.record(LatentId("layers.3", 1))
    starts = {each.start for each in (*shown.train, *shown.silent_train)}
    assert starts.isdisjoint({each.start for each in (*tested.test, *tested.silent_test)})
    assert [each.start for each in tested.train] == [each.start for each in shown.train]


def test_another_cache_is_refused(cache, tmp_path):
    told(cache, out=tmp_path)
    matrix = np.eye(12)[np.arange(64) % 12]
    other = cache_of_matrix(matrix, np.arange(64) % 12, np.arange(0, 65, 16), WORDS, "layers.3")
    with pytest.raises(InputError, match="holds results of another cache"):
        score(tmp_path, "example_embedding", cache=other)


def test_a_dry_run_counts_what_a_run_asks(cache, tmp_path):
    client = ScriptedClient(answers)
    results = Results(tmp_path / "run")

    def job():
        return prepare_explaining(
            cache,
            "default",
            results,
            Tools(client),
            "0-3",
            SETTINGS,
            scorers=["detection[n_shown=3]", "intruder"],
        )

    planned = job().plan()
    assert client.requests == [] and not results.folder.exists()
    assert {name: each.requests > 0 for name, each in planned.asks.items()} == {
        "default": True,
        "detection": True,
        "intruder": True,
    }
    assert planned.asks["default"].requests == planned.missing == 4
    job().run()
    asked = {"default": sum(each.usage.requests for each in results.load().explanations)}
    for each in results.load().scores:
        asked[each.scorer] = asked.get(each.scorer, 0) + each.usage.requests
    assert asked == {name: each.requests for name, each in planned.asks.items()}
    assert len(client.requests) == planned.requests
    assert job().plan().requests == 0


def test_a_pipeline_of_ones_own(cache):
    seen = []
    loader, client = Loader(cache, SETTINGS), ScriptedClient(answers)
    scorer = Detection(client)

    async def scored(explanation):
        return await scorer.score(loader.record(explanation.latent), explanation)

    explanations = [each for each in told(cache).explanations if each.text]
    pipe = Pipe(Pipe(scored, before=seen.append), Pipe(scored, after=seen.append))
    outcomes = asyncio.run(Pipeline(explanations, pipe, parallel=2).run())
    assert len(outcomes) == 4 and len(seen) == 8
    assert all(one.value == other.value for one, other in (each.value for each in outcomes))


def test_the_nearest_explanation_comes_first(cache):
    found = told(cache)
    texts = [" w1 and trains", "old ships", "ships ships", "ships"]
    explanations = tuple(
        replace(each, text=text) for each, text in zip(found.explanations, texts, strict=True)
    )
    rows = search_explanations(replace(found, explanations=explanations), "ships", 3, "hashed_words").rows
    assert [each.latent.latent for each in rows] == [2, 3, 1]  # a tie: the lower latent first
    assert rows[0].similarity == pytest.approx(1.0) and rows[0].density == pytest.approx(
        found.latents[LatentId("layers.3", 2)].density
    )
    for odd in ("", "  "):
        with pytest.raises(InputError, match="what is looked for is empty"):
            search_explanations(found, odd)
    with pytest.raises(InputError, match="there is no explanation to search"):
        search_explanations(replace(found, explanations=()), "ships")
