"""From texts to files, on a tiny model."""

import csv
import json
import math

import pyarrow.parquet as parquet
import pytest

from saesteer.concepts import Detector, detect
from saesteer.errors import InputError
from saesteer.model import load_model
from saesteer.pipeline.detecting import run_detection, with_quantile
from saesteer.text import Document
from tests.latents.tiny import sae, save_model, sentences

SAE = sae()
DETECTOR = Detector(latents=(5, 9), hookpoint="layers.0", combine="sum", threshold=0.5)
DOCUMENTS = [
    Document(text, f"t{i}", [None, "0", "1"][i % 3], {"grade": 0.25 + i % 3 / 4})
    for i, text in enumerate(sentences(24, seed=2))
]


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return load_model(save_model(tmp_path_factory.mktemp("model")))


def test_files_hold_every_text_and_every_token_in_order(lm, tmp_path):
    run = run_detection(lm, SAE, DETECTOR, DOCUMENTS, tmp_path, shown=5, command="saesteer detect")
    found = list(detect(lm, SAE, DETECTOR, DOCUMENTS))
    rows = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == [each.id for each in DOCUMENTS]
    assert [row["score"] for row in rows] == [each.score for each in found]
    assert [row["positive"] for row in rows[:3]] == [None, False, True]
    tokens = parquet.read_table(tmp_path / "tokens.parquet").to_pylist()
    assert len(tokens) == run.summary["tokens"] == sum(len(each.tokens) for each in found)
    assert [row["score"] for row in tokens if row["number"] == 2] == list(found[1].scores)
    assert [row["position"] for row in tokens if row["number"] == 2] == list(range(len(found[1].tokens)))
    assert Detector.load(tmp_path / "detector.yaml") == DETECTOR
    assert {each.name for each in run.files} == {each.name for each in tmp_path.iterdir()}
    highest = sorted(found, key=lambda each: -each.score)[:5]
    assert [each.detection.document for each in run.rows] == [each.document for each in highest]
    assert run.summary["found"] == sum(each.found for each in found)
    assert run.figures.positives == 8 and run.figures.graded == 16
    assert "The highest 5 of 24 texts" in (tmp_path / "page.html").read_text("utf-8")


def test_the_first_texts_in_order(lm):
    run = run_detection(lm, SAE, DETECTOR, (each.text for each in DOCUMENTS), shown=4, order="text")
    assert [each.number for each in run.rows] == [1, 2, 3, 4] and run.files == ()
    assert run.figures is None and run.summary["labelled"] == 0


def test_csv_is_harmless(lm, tmp_path):
    evil = [Document("the sea", "=cmd()|x", "-1+1"), *DOCUMENTS[:2]]
    run_detection(lm, SAE, DETECTOR, evil, tmp_path, as_csv=True, positive=["1"])
    with open(tmp_path / "texts.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["id"] == "'=cmd()|x" and rows[0]["label"] == "'-1+1"
    assert all(math.isfinite(float(row["score"])) for row in rows)
    with open(tmp_path / "tokens.csv", encoding="utf-8", newline="") as file:
        assert [row["token"] for row in csv.DictReader(file)][:2] == [" the", " sea"]


def test_a_failure_leaves_no_files(lm, tmp_path):
    def failing():
        yield from DOCUMENTS[:3]
        raise InputError("the end of it")

    with pytest.raises(InputError, match="the end of it"):
        run_detection(lm, SAE, DETECTOR, failing(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="there are no texts to score"):
        run_detection(lm, SAE, DETECTOR, [], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_of_two_runs_are_not_mixed(lm, tmp_path, monkeypatch):
    run_detection(lm, SAE, DETECTOR, DOCUMENTS, tmp_path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("saesteer.pipeline.detecting.write_detection_page", interrupted)
    with pytest.raises(KeyboardInterrupt):  # when the tables are whole
        run_detection(lm, SAE, DETECTOR, DOCUMENTS[:3], tmp_path)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_a_quantile_needs_no_labels(lm):
    ready = with_quantile(lm, SAE, DETECTOR, DOCUMENTS, "quantile=0.75")
    found = [ready.found(each.score) for each in detect(lm, SAE, ready, DOCUMENTS)]
    assert sum(found) == 6 and ready.goal == "quantile=0.75 of the texts"


def test_orders_and_counts_that_are_none(lm):
    for options in ({"order": "label"}, {"shown": 0}):
        with pytest.raises(InputError, match="order is score or text and shown is 1 or more"):
            run_detection(lm, SAE, DETECTOR, DOCUMENTS, **options)
