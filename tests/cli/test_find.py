"""saesteer find."""

import json

import pytest

from saesteer.concepts import Ranking, Shortlist

POSITIVE = ["The bride kissed the groom.", "Anna wore a veil.", "The groom lost the ring.", "A bride smiled."]
CHOSEN = ["logit_effect", "output_score", "combined", "lift", "supervised", "topic_alignment"]
NEGATIVE = ["The ship crossed the sea.", "A sailor saw a wave.", "The boat was old.", "Rain fell all night."]


@pytest.fixture
def sides(tmp_path):
    files = [tmp_path / "bride.txt", tmp_path / "other.txt"]
    for file, texts in zip(files, (POSITIVE, NEGATIVE), strict=True):
        file.write_text("\n".join(texts), encoding="utf-8")
    return files


def test_a_concept_ranks_every_latent_and_shows_evidence(run, place):
    said = run("find", "world/wedding", "-m", place.model, "--sae", place.sae, "--top", 3, "--evidence", 2)
    assert (said.code, said.err) == (0, "")
    assert "world/wedding: 64 positive and 64 negative texts" in said.out
    assert said.out.count("\nLatent ") == 2
    assert "promotes" in said.out and "[" in said.out


def test_json_holds_the_same_and_save_holds_all(run, place, sides, tmp_path):
    saved = tmp_path / "ranking.parquet"
    files = ("--positive", sides[0], "--negative", sides[1])
    said = run("find", *files, "-m", place.model, "--sae", place.sae, "--top", 3, "--json", "--save", saved)
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    ranking = Ranking.load(saved)
    assert [each["latent"] for each in record["latents"]] == [row.latent for row in ranking.rows[:3]]
    assert record["latents"][0]["auroc"] == ranking.best.auroc
    assert record["latents"][0]["evidence"]["contexts"]
    assert record["summary"]["texts"] == [4, 4] and record["provenance"]["concept"] == "bride"
    assert record["saved"] == str(saved) and len(ranking.rows) == 64


def test_level_and_words(run, place, tmp_path):
    texts = tmp_path / "all.txt"
    texts.write_text("\n".join(POSITIVE + NEGATIVE), encoding="utf-8")
    common = ("-m", place.model, "--sae", place.sae, "--json", "--level", "token", "--evidence", 0)
    said = run("find", "--words", "bride, GROOM", "--texts", texts, *common)
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert record["summary"]["level"] == "token" and record["summary"]["texts"] == [3, 5]
    assert record["latents"][0]["evidence"] is None


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["world/sea", "--words", "sea"],
        ["world/sea", "--positive", "x.txt"],
        ["--positive", "x.txt"],
        ["world/sea", "--texts", "x.txt"],
        ["--words", "sea", "--model", "other"],
    ],
)
def test_options_that_contradict_each_other(run, line):
    said = run("find", *line)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)


def test_a_level_that_there_is_not(run, place):
    said = run("find", "world/sea", "-m", place.model, "--sae", place.sae, "--level", "word")
    assert said.code == 2 and "level is one of text, token, got 'word'" in said.err


@pytest.mark.parametrize("by", CHOSEN)
def test_every_chooser_shows_its_figures_and_evidence(run, place, tmp_path, by):
    saved = tmp_path / "short.parquet"
    line = ("find", "world/wedding", "-m", place.model, "--sae", place.sae, "--by", by, "--top", 3)
    line += ("--embedder", "hashed_words")  # for topic_alignment, without its extra
    said = run(*line, "--evidence", 1, "--json", "--save", saved)
    assert (said.code, said.err) == (0, "")
    record, found = json.loads(said.out), Shortlist.load(saved)
    assert [each["latent"] for each in record["latents"]] == list(found.latents)
    assert record["latents"][0]["figures"] == dict(found.best.figures) and record["summary"]["by"] == by
    assert record["latents"][0]["evidence"]["contexts"] and found.by == by
    said = run(*line, "--evidence", 0)
    assert said.code == 0 and f"world/wedding: chosen by {by}" in said.out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--by", "lifts"], "did you mean 'lift'?"),
        (["--by", "lift", "--level", "token"], "--level is of --by contrast"),
    ],
)
def test_choosers_that_there_are_not(run, options, expected):
    said = run("find", "world/sea", *options)
    assert (said.code, said.out) == (2, "") and expected in said.err
