"""saesteer find --aligned."""

import json

import pytest

from saesteer.concepts import AlignmentScores

REFERENCE = [
    "The bride kissed the groom.",
    "The ship crossed the sea.",
    "A sailor saw a wave.",
    "Rain fell all night.",
    "The groom lost the ring.",
    "The dog was old.",
]
TOPIC = ["A sailor on a ship crossed the sea.", "The wave and the sea."]


@pytest.fixture
def files(tmp_path):
    """Tables as pandas writes lists."""
    found = {}
    for name, texts in (("d_ref", REFERENCE), ("d_align", TOPIC)):
        found[name] = tmp_path / f"{name}.csv"
        rows = "".join(f'{i},"{text}"\n' for i, text in enumerate(texts))
        found[name].write_text(f",0\n{rows}", encoding="utf-8")
    return found


def line(place, files, *more):
    given = ("find", "--aligned", files["d_align"], "--d-ref", files["d_ref"])
    return (*given, "-m", place.model, "--sae", place.sae, "--embedder", "hashed_words", *more)


def test_scores_with_a_verdict_and_a_folder(run, place, files, tmp_path):
    folder = tmp_path / "scores"
    said = run(*line(place, files, "--out", folder, "--top", 4))
    assert (said.code, said.err) == (0, "")
    assert "d_align: latents by the lower end of their score" in said.out
    assert "trust 0." in said.out and f"--method topic_alignment --sae {place.sae}" in said.out
    scores = AlignmentScores.load(folder)
    assert scores.home.hookpoint == "layers.3" and len(scores.rows) == 64
    assert (folder / "scores.csv").read_text().count("\n") == 65


def test_json_holds_the_same(run, place, files):
    given = ["--d-align" if each == "--aligned" else each for each in line(place, files)]
    record = json.loads(run(*given, "--top", 3, "--json").out)
    assert record["provenance"]["reference_texts"] == 6 and record["provenance"]["form"] == "aligned"
    assert len(record["latents"]) == 3 and record["verdict"]["word"] in ("trusted", "doubtful", "not covered")
    other = json.loads(run(*line(place, files, "--contrasted", "--json")).out)
    assert other["provenance"]["form"] == "contrasted"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("world/sea", "--aligned", "world/sea"), "--aligned stands alone"),
        (("--aligned", "world/sea", "--words", "sea"), "--aligned stands alone"),
        (("world/sea", "--d-ref", "world"), "are for --aligned"),
        (("world/sea", "--contrasted"), "are for --aligned"),
        (("--aligned", "none.csv"), "there is no file none.csv"),
        (("--aligned", "world/seaside"), "unknown concept of the world 'seaside'"),
    ],
)
def test_options_that_contradict_each_other(run, options, message):
    said = run("find", *options)
    assert (said.code, said.out) == (2, "") and message in said.err


def test_a_model_without_prompts_needs_some(run, place):
    said = run("find", "--aligned", "world/sea", "-m", place.model, "--sae", place.sae)
    assert said.code == 2 and "there are no reference prompts for the model" in said.err


def test_a_file_where_the_folder_should_be(run, place, files, tmp_path):
    said = run(*line(place, files, "--out", files["d_ref"]))
    assert said.code == 2 and "is a file, and scores are kept in a folder" in said.err
