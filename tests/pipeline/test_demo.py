"""The demo on the real embedded world, as small as it gets: every stage runs, the report is whole."""

import json
from dataclasses import replace

import pytest

from saesteer.evaluation import SweepResult
from saesteer.pipeline.demo import CONFIG, run_demo

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
