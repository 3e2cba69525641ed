"""saesteer detect, once on the embedded world and else on a tiny model."""

import json

import pytest

from saesteer.concepts import Detector
from saesteer.text import load_concept

WORDS = ["the bride kissed the groom in {}", "the ship crossed the sea by {}"]
TOWNS = ["Harlow", "Kelby", "Ashby", "Thornby", "Elmsford", "Norwick", "Fairmere", "Strand"]


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "labelled.jsonl"
    rows = [{"text": WORDS[i % 2].format(town), "label": 1 - i % 2} for town in TOWNS for i in range(2)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def ready(run, place):
    def call(*arguments):
        given = ("-m", place.model, *arguments)
        return run("detect", *(given if "--detector" in arguments else (*given, "--sae", place.sae)))

    return call


def test_the_world_finds_insults(run, tmp_path):
    concept = load_concept("world/insults")
    rows = [{"text": text, "label": 1} for text in concept.positive[:4]]
    rows += [{"text": text, "label": 0} for text in concept.negative[:4]]
    texts, out = tmp_path / "texts.jsonl", tmp_path / "out"
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = run("detect", texts, "--concept", "world/insults", "--out", out)
    assert (said.code, said.err) == (0, "")
    assert "latents" in said.out and "4 of 8 score above the threshold" in said.out
    assert "On held-out texts, 16 positive and 16 negative:" in said.out
    found = Detector.load(out / "detector.yaml")
    assert found.concept == "world/insults" and found.figures.auroc.estimate > 0.95
    assert sorted(each.name for each in out.iterdir()) == [
        "detector.yaml", "page.html", "texts.jsonl", "tokens.parquet",
    ]  # fmt: skip


def test_calibrated_saved_and_used_again(ready, place, labelled, tmp_path):
    out = tmp_path / "out"
    said = ready(labelled, "--latent", 5, "--calibrate", labelled, "--score", "z", "--out", out, "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert record["detector"]["goal"] == "f1" and record["detector"]["figures"]["positives"] == 4
    assert record["summary"]["texts"] == 16 and len(record["texts"]) == 10
    again = json.loads(ready(labelled, "--detector", out / "detector.yaml", "--json", "--top", 20).out)
    assert again["detector"] == record["detector"] and again["summary"] == record["summary"]
    assert again["texts"][:10] == record["texts"]
    other = json.loads(
        ready(labelled, "--detector", out / "detector.yaml", "--json", "--threshold", -1e9).out
    )
    assert other["summary"]["found"] == 16 and other["detector"]["figures"] is None


def test_a_table_within_eighty_columns(ready, place, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = ready(place.texts, "-l", 3, "-l", 4, "--combine", "sum", "--pool", "mean", "--top", 3)
    assert (said.code, said.err) == (0, "")
    table = said.out.split("\n\n")[1].splitlines()
    assert len(table) >= 4 and all(len(line.rstrip()) <= 80 for line in table[:4])
    assert "No threshold: give --calibrate LABELLED" in said.out


def test_a_quantile_and_named_labels(ready, place, labelled):
    said = json.loads(ready(place.texts, "-l", 3, "--goal", "quantile=0.75", "--score", "z", "--json").out)
    assert said["summary"]["found"] == 3 and said["detector"]["goal"] == "quantile=0.75 of the texts"
    names = labelled.with_name("named.jsonl")
    names.write_text(
        labelled.read_text().replace('"label": 1', '"label": "wed"').replace('"label": 0', '"label": "x"')
    )
    said = ready(
        place.texts, "-l", 3, "--calibrate", names, "--positive", "wed", "--goal", "fpr=0.5", "--json"
    )
    assert said.code == 0 and json.loads(said.out)["detector"]["figures"]["positives"] == 4


def test_texts_cannot_speak_to_the_terminal(ready, tmp_path):
    path = tmp_path / "evil.txt"
    path.write_text("the \x1b[31mred sea \u202e[bold]x[/bold]\n", encoding="utf-8")
    said = ready(path, "-l", 3, "--csv", "--out", tmp_path / "out")
    assert said.code == 0 and "\x1b" not in said.out and "\u202e" not in said.out
    page = (tmp_path / "out" / "page.html").read_text("utf-8")
    assert "\x1b" not in page and "\u202e" not in page


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([], "exactly one of the three"),
        (["-l", 1, "-c", "world/sea"], "exactly one of the three"),
        (["-l", 64], "latents are 0 to 63, got 64"),
        (["-l", 1, "--pool", "sum"], "pool is max or mean or last, got 'sum'"),
        (["-l", 1, "--goal", "f1"], "--goal f1 needs labelled texts"),
        (["-l", 1, "--goal", "best"], "a goal is f1, fpr=RATE"),
        (["-l", 1, "--order", "size"], "--order is score or text, got 'size'"),
        (["-l", 1, "--threshold", 1, "--goal", "f1"], "--threshold is the threshold"),
        (["-c", "insults"], "was not conditioned on any concept"),
        (["--detector", "none.yaml"], "there is no file none.yaml"),
        (["--detector", "none.yaml", "--pool", "max"], "the detector says how texts are scored"),
    ],
)
def test_what_cannot_be_meant_is_one_line(ready, place, line, message):
    said = ready(place.texts, *line)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert message in said.err


def test_texts_that_calibrate_nothing(ready, place, labelled, tmp_path):
    one = tmp_path / "one.jsonl"
    one.write_text("".join(line + "\n" for line in labelled.read_text().splitlines()[::2]), encoding="utf-8")
    for path, message in ((place.texts, "of 12 documents"), (one, "half has 4 positive and 0 negative")):
        said = ready(place.texts, "-l", 1, "--calibrate", path)
        assert (said.code, said.out) == (2, "") and message in said.err and said.err.count("\n") == 1


def test_files_that_do_not_fit(ready, run, place, labelled, tmp_path):
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    said = ready(tmp_path / "empty.txt", "-l", 1)
    assert said.code == 2 and "holds no text" in said.err
    said = run("detect", place.texts, "-m", place.model, "--sae", place.wrong_sae, "-l", 1)
    assert said.code == 2 and "d_in is 64" in said.err
    out = tmp_path / "out"
    assert ready(labelled, "-l", 1, "--threshold", 0, "--out", out).code == 0
    said = run("detect", place.texts, "--detector", out / "detector.yaml")
    assert said.code == 2 and said.err.count("\n") == 1, "the world is another model"


def test_the_texts_that_chose_the_threshold_are_called_so(ready, place, labelled, tmp_path):
    said = ready(labelled, "-l", 1, "--calibrate", labelled, "--out", tmp_path / "out")
    assert "Half of these texts chose the threshold" in said.out
    assert "Half of these texts chose the threshold" in (tmp_path / "out/page.html").read_text("utf-8")
    other = ready(place.texts, "-l", 1, "--calibrate", labelled)
    assert (other.code, "chose the threshold" in other.out) == (0, False)
    assert json.loads(ready(labelled, "-l", 1, "--calibrate", labelled, "--json").out)["notes"]
