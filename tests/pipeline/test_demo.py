"""The demo on the real embedded world, as small as it gets: every stage runs, the report is whole."""

import json
from dataclasses import replace

import pytest
import torch

from saesteer.concepts import LatentScore, Ranking
from saesteer.evaluation import SweepResult
from saesteer.pipeline.demo import CONFIG, run_demo
from saesteer.pipeline.study import _candidates

TINY = replace(
    CONFIG, strengths=(0.2, 0.4), latents=1, samples=1, test_samples=1, base_samples=2, max_new_tokens=24
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    return run_demo(out, ("wedding",), TINY), out


@pytest.mark.slow
def test_every_stage_leaves_its_result(demo):
    result, out = demo
    page = result.report.read_text(encoding="utf-8")
    assert result.report == out / "report.html"
    assert "wedding" in page and "<svg" in page
    assert [row["method"] for row in result.summary] == ["diffmean", "sae_decoder", "prompting", "random"]
    json.dumps(result.summary)


@pytest.mark.slow
def test_the_latent_that_is_shown_is_the_one_that_was_steered_with(demo):
    [concept] = demo[0].record.concepts
    [method] = [each for each in concept.methods if each.method == "sae_decoder"]
    assert method.setting == "" or method.setting.startswith(f"latent {concept.latent.latent}, ")
    assert concept.latent.contexts and concept.latent.promoted


def test_candidates_are_taken_by_turns_and_write_only_what_they_read():
    def score(latent, difference=1.0, p=0.001):
        return LatentScore(latent, 0.9, difference, 1.0, 0.5, 0.1, p, p)

    by_text = Ranking((score(4), score(1), score(2, difference=-1.0), score(3, p=0.2), score(0)))
    by_token = Ranking((score(1), score(0), score(2), score(3), score(4)))
    effect = torch.tensor([0.3, 0.1, 0.9, 0.8, 0.2])
    assert _candidates(by_text, by_token, effect, 3) == [4, 1, 0]
    assert _candidates(by_text, by_token, effect, 9) == [4, 1, 0, 2, 3]


@pytest.mark.slow
def test_settings_are_chosen_on_prompts_that_are_not_reported_on(demo):
    _, out = demo
    tried = SweepResult.load(next((out / "samples" / "wedding_selection").rglob("rows.parquet")).parent)
    tested = SweepResult.load(next((out / "samples" / "wedding_test").rglob("rows.parquet")).parent)
    assert {row.half for row in tried.rows} == {"selection"}
    assert {row.half for row in tested.rows} == {"test"}
    assert not {row.prompt_id for row in tried.rows} & {row.prompt_id for row in tested.rows}


@pytest.mark.slow
def test_a_second_run_reuses_the_samples(demo):
    first, out = demo
    before = {
        path: path.stat().st_mtime_ns
        for path in (out / "samples").rglob("*.parquet")
        if "latents" not in path.name
    }
    again = run_demo(out, ("wedding",), TINY)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again.summary == first.summary
