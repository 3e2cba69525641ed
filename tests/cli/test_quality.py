"""saesteer quality."""

import csv
import json

import pytest

from saesteer.cli.quality import _NAME
from saesteer.evaluation.saes import SAEReport
from saesteer.training.logs import JSONLines
from saesteer.training.metrics import TrainMetrics
from saesteer.world.story import tell


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Stories with a column that is true of some, one that is seldom true and one that says nothing."""
    path = tmp_path_factory.mktemp("texts") / "stories.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "sea", "[bold]rare", "silent"])
        for seed in range(40):
            writer.writerow([tell(seed).text, int(seed % 3 == 0), int(seed == 1), ""])
    return path


def test_figures_page_and_json(run, place, labelled, tmp_path):
    out = tmp_path / "out"
    given = ("quality", place.sae, "-m", place.model, "--texts", labelled, "--tokens", 2500)
    said = run(*given, "--label-columns", "sea, [bold]rare", "--out", out)
    assert (said.code, said.err) == (0, "")
    assert "FVU" in said.out and "\nsea " in said.out and f"page: {out / 'page.html'}" in said.out
    assert "Left out: 1 concepts with too few tokens on a side: [bold]rare." in " ".join(said.out.split())
    table = said.out[said.out.index("\nconcept ") :].splitlines()
    assert max(map(len, table[:3])) <= 80 and "…" not in "".join(table[:3])
    assert len(table[1].rstrip()) - len("concept") + _NAME <= 80  # with the longest name that is not cut
    found = SAEReport.load(out)
    assert [row.concept for row in found.rows] == ["sea"]
    page = (out / "page.html").read_text(encoding="utf-8")
    assert "[bold]rare" in page and "<script" not in page
    said = run(*given, "--label-columns", "sea,[bold]rare", "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert record["summary"] == found.summary and record["page"] is None
    assert record["concepts"][0]["f1"] == found.rows[0].match.best.f1
    assert record["left_out"][0]["concept"] == "[bold]rare"


def test_without_labels_and_with_the_records_of_training(run, place, tmp_path):
    folder = tmp_path / "sae"
    folder.mkdir()
    for name in ("cfg.json", "sae_weights.safetensors"):
        (folder / name).write_bytes((place.root / "sae" / name).read_bytes())
    log = JSONLines(tmp_path)
    log.begin(
        "sae", [TrainMetrics(n, 100 * n, 0.5 / n, 0.0, 6.0, 0.0, 1e-3, 1.0, n, loss=1 / n) for n in (1, 2)]
    )
    said = run(
        "quality", folder, "-m", place.model, "--texts", place.texts, "--tokens", 300, "-o", tmp_path / "q"
    )
    assert (said.code, said.err) == (0, "")
    assert "concept" not in said.out.lower().replace("concepts", "")
    assert ">Training</h2>" in (tmp_path / "q/page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--label-columns", "a"], "--label-columns are columns of --texts; give both"),
        (["-m", "other"], "there are no texts for the model 'other'"),
        (["--texts", "none.csv"], "there is no file none.csv"),
        (["--texts", "x.txt", "--label-columns", "a,a"], "different names with commas"),
        (["--tokens", "3"], "--tokens"),
    ],
)
def test_what_cannot_be_meant(run, place, line, message):
    model = [] if "-m" in line or "--label-columns" in line else ["-m", place.model]
    said = run("quality", place.sae, *model, *line)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert message in said.err


def test_labels_that_nobody_gave_and_an_sae_of_another_width(run, place, labelled):
    given = ("-m", place.model, "--texts", labelled, "--tokens", 300)
    said = run("quality", place.sae, *given, "--label-columns", "silent")
    assert said.code == 2 and "no text says anything of silent" in said.err
    said = run("quality", place.sae, *given, "--label-columns", "nosuch")
    assert said.code == 2 and "no text says anything of nosuch" in said.err
    said = run("quality", place.wrong_sae, *given)
    assert said.code == 2 and "d_in is 64" in said.err and said.err.count("\n") == 1
    said = run("quality", place.root / "none", *given)
    assert said.code == 2 and said.err.count("\n") == 1
