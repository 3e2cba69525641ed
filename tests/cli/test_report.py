"""saesteer report."""

import json
import shutil

import pytest

from saesteer.cache import cache_latents
from saesteer.examples import Explanation, Failure, Interpretation, LatentFigures, LatentId, Score
from saesteer.llms import Usage
from saesteer.model import load_model
from saesteer.pipeline.interpretation import save_results
from saesteer.saes import load_sae

SAE = "layers.3"


@pytest.fixture(scope="module")
def cached(place, tmp_path_factory):
    texts = place.texts.read_text(encoding="utf-8").splitlines()
    return cache_latents(
        tmp_path_factory.mktemp("cache"), load_model(place.model), load_sae(place.sae), texts, context=64
    )


@pytest.fixture
def results(cached, tmp_path):
    """Two latents of a cache, one explained and scored."""
    first, second = (LatentId(SAE, int(each)) for each in cached[SAE].kept[:2])
    start = int(cached[SAE].latent(first.latent).tokens[0])
    row = {"truth": True, "said": False, "probability": 0.25, "quantile": 2, "start": start, "kind": "active"}
    other = {
        "truth": False,
        "said": False,
        "probability": 0.2,
        "quantile": None,
        "start": 1,
        "kind": "random",
    }
    found = Interpretation(
        (
            Explanation(first, "default", "tales of <b>ships</b>"),
            Explanation(second, "default", None, Failure("unparsed", "no tag")),
        ),
        (Score(first, "detection", "tales of <b>ships</b>", 0.5, {"f1": 0.5}, (row, other), (), Usage(2)),),
        {each: LatentFigures(0.1, 3.0, 40) for each in (first, second)},
        {"cache": {"folder": cached.about["folder"]}, "examples": {"length": 16},
         "model": {"source": "m"}, "saes": {SAE: {"source": None}}},
    )  # fmt: skip
    save_results(found, tmp_path / "results")
    return tmp_path / "results", first, second


def test_pages_for_all_and_for_each(run, results):
    folder, first, second = results
    said = run("report", folder)
    assert (said.code, said.err) == (0, "")
    assert "1 of 2 latents have an explanation" in said.out and f"page: {folder / 'report.html'}" in said.out
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f'href="report_latents/{SAE}/{first.latent}.html#answers-0"' in page and "scores.jsonl" in page
    assert "tales of &lt;b&gt;ships" in page
    latent = (folder / f"report_latents/{SAE}/{first.latent}.html").read_text(encoding="utf-8")
    assert ">missed<" in latent and 'href="../../report.html"' in latent and "<mark" in latent
    assert "Promotes" not in latent
    unexplained = (folder / f"report_latents/{SAE}/{second.latent}.html").read_text(encoding="utf-8")
    assert "no explanation: unparsed (no tag)" in unexplained


def test_promoted_tokens_where_a_model_is_given(run, place, results, tmp_path):
    folder, first, _ = results
    out = tmp_path / "one.html"
    given = ("report", folder, "--latent", first, "-m", place.model)
    assert run(*given, "--sae", place.sae, "--out", out).code == 0
    assert "Promotes" in out.read_text(encoding="utf-8")
    said = run(*given, "--sae", f"layers.9={place.sae}")
    assert said.code == 2 and "--sae names 'layers.9', the results have layers.3" in said.err
    said = run(*given, "--sae", place.wrong_sae)
    assert said.code == 2 and "is not the cache's own" in said.err


def test_a_latent_that_nobody_explained_has_a_page_from_the_cache(run, results, cached):
    folder, *_ = results
    other = int(cached[SAE].kept[5])
    said = run("report", folder, "--latent", f"{SAE}/{other}", "--json")
    assert said.code == 0
    html = (folder / f"latent_{SAE}_{other}.html").read_text(encoding="utf-8")
    assert json.loads(said.out)["page"] == str(folder / f"latent_{SAE}_{other}.html")
    assert "Not explained." in html and "<mark" in html


def test_json_has_the_summary(run, results):
    folder, *_ = results
    said = run("report", folder, "--json", "--most", 1)
    record = json.loads(said.out)
    assert record["latents"] == 1 and record["page"] == str(folder / "report.html")
    (row,) = record["summary"]
    assert row["scorer"] == "detection" and row["median"] == 0.5 and row["auroc"]["estimate"] == 1.0
    assert row["weighted_f1"][SAE]["estimate"] == 0.5 and row["usage"]["requests"] == 2
    assert len(list(folder.glob("report_latents/*/*.html"))) == 1


def test_exports(run, results, tmp_path):
    folder, first, second = results
    out = tmp_path / "export"
    said = run("report", folder, "--export", "sae_dashboard", out)
    assert (said.code, said.err) == (0, "") and f"1 files in {out}" in said.out
    (file,) = out.rglob("*.json")
    features = json.loads(file.read_text(encoding="utf-8"))["features"]
    assert [each["feature_index"] for each in features] == sorted([first.latent, second.latent])
    said = run("report", folder, "--export", "neuronpedia", out)
    assert said.code == 2 and "is not an empty folder" in said.err


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--latent", "7"), "--latent is SAE/NUMBER as in layers.3/123, got '7'"),
        (("--latent", "layers.9/1"), "unknown SAE of the cache"),
        (("--latent", "layers.3/999"), "latents of layers.3 are 0 to 63, got 999"),
        (("--out", "page.pdf"), "what is written is a .html file"),
        (("--export", "nonsense", "x"), "unknown export 'nonsense'"),
        (("--export", "neuronpedia", "x", "--latent", "layers.3/1"), "leave --out and --latent away"),
    ],
)
def test_bad_input_is_one_line(run, results, given, why):
    said = run("report", results[0], *given)
    assert said.code == 2 and why in said.err and said.err.count("\n") == 1


def test_a_folder_without_results(run, tmp_path):
    said = run("report", tmp_path)
    assert said.code == 2 and "holds no results of saesteer run, interpret, explain or score" in said.err
    said = run("report", tmp_path / "nowhere")
    assert (
        said.code == 2
        and said.err == f"saesteer: there is no folder {tmp_path / 'nowhere'}; check the path\n"
    )


def test_a_cache_that_is_gone(run, results, cached, tmp_path):
    folder, first, _ = results
    moved = tmp_path / "moved"
    shutil.copytree(cached.about["folder"], moved)
    about = json.loads((folder / "about.json").read_text())
    about["cache"]["folder"] = "nowhere"
    (folder / "about.json").write_text(json.dumps(about))
    assert run("report", folder).code == 0
    page = folder / f"report_latents/{SAE}/{first.latent}.html"
    assert "No cache was given" in page.read_text(encoding="utf-8")
    said = run("report", folder, "--export", "neuronpedia", tmp_path / "x")
    assert said.code == 2 and "give --cache" in said.err
    assert "there is no cache of it" in run("report", folder, "--latent", f"{SAE}/60").err
    assert run("report", folder, "--cache", moved).code == 0
    assert "No cache was given" not in page.read_text(encoding="utf-8")
