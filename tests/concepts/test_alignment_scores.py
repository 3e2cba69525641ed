"""The artefact: what belongs together stays together, files come back, others' files say what they lack."""

import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest

from saesteer.concepts import AlignedLatent, AlignmentScores, Home, Verdict
from saesteer.concepts.trust import Power, judged
from saesteer.errors import CorruptFile, InputError
from tests.steering import tiny


@pytest.fixture(scope="module")
def lm():
    return tiny.llama()


@pytest.fixture(scope="module")
def sae():
    return tiny.sae("topk", hook_name="layers.1")


def rows(n=tiny.D_SAE):
    """Latent 0 unsupported, 1 high on one prompt, the others ever lower."""
    found = [AlignedLatent(0, 0.0, 0.0, 1.0, 0), AlignedLatent(1, 1.0, 0.0, 1.0, 1, 2.5)]
    return (*found, *(AlignedLatent(i, 0.9 - i / 100, 0.8 - i / 100, 0.95, 20, 1.5) for i in range(2, n)))


@pytest.fixture
def scores(lm, sae):
    return AlignmentScores(
        rows(), Home.of(lm, sae), "sea", judged(Power(0.9, 0.9, 0.9, 1.0, 0.1, 9, 0.7)), ("note",)
    )


def test_the_nearest_by_score_and_by_the_lower_end(scores):
    assert [row.latent for row in scores.top(3, "score")] == [1, 2, 3]
    assert [row.latent for row in scores.top(3)] == [2, 3, 4]
    assert scores.unsupported.tolist() == [0]
    assert len(scores.top(99)) == tiny.D_SAE - 1
    assert scores.values("score")[1] == 1.0 and scores.values("low")[1] == 0.0 and scores.values()[0] == 0.0
    with pytest.raises(InputError, match="ranked by low or score, got 'high'"):
        scores.top(3, "high")


def test_it_comes_back_as_it_was(scores, tmp_path):
    assert AlignmentScores.load(scores.save(tmp_path / "s")) == scores


def test_a_changed_file_is_refused(scores, tmp_path):
    folder = scores.save(tmp_path / "one")
    other = replace(scores, rows=tuple(replace(row, low=0.0) for row in scores.rows)).save(tmp_path / "two")
    shutil.copy(other / "scores.parquet", folder / "scores.parquet")
    with pytest.raises(CorruptFile, match="was changed since it was saved"):
        AlignmentScores.load(folder)
    rest = json.loads((other / "scores.json").read_text())
    rest["verdict"]["word"] = "sure"
    (other / "scores.json").write_text(json.dumps(rest))
    with pytest.raises(CorruptFile, match="a verdict is one of trusted, doubtful"):
        AlignmentScores.load(other)
    (other / "scores.json").write_text(json.dumps({**rest, "verdict": None}))
    with pytest.raises(CorruptFile, match="holds no whole scores"):
        AlignmentScores.load(other)
    (other / "scores.json").write_text("[]")
    with pytest.raises(CorruptFile, match="not of scores of version 1"):
        AlignmentScores.load(other)
    with pytest.raises(InputError, match="there is no file"):
        AlignmentScores.load(tmp_path / "none")


def test_another_model_sae_or_layer_is_refused(scores, lm, sae):
    scores.check(lm, sae)
    with pytest.raises(InputError, match=r"of 'sea' are of the model .* load that model"):
        scores.check(tiny.llama(seed=1), sae)
    with pytest.raises(InputError, match="are of the SAE"):
        scores.check(lm, tiny.sae("topk", seed=1, hook_name="layers.1"))
    free = tiny.sae("topk")
    anywhere = AlignmentScores(rows(), Home.of(lm, free, "layers.1"))
    with pytest.raises(InputError, match=r"of the hookpoint layers\.1 but this one is layers\.2"):
        anywhere.check(lm, free, "layers.2")


def test_every_latent_once_and_within_bounds(lm, sae):
    home = Home.of(lm, sae)
    with pytest.raises(InputError, match=r"one for each of 24 latents, got 23 rows"):
        AlignmentScores(rows()[1:], home)
    with pytest.raises(InputError, match=r"one for each of 24"):
        AlignmentScores((*rows()[1:], rows()[1]), home)
    for value in (1.5, float("nan")):
        with pytest.raises(InputError, match="a score lies between 0 and 1"):
            AlignmentScores((*rows()[:-1], replace(rows()[-1], score=value)), home)


def test_a_csv_goes_out_and_comes_in(scores, lm, sae, tmp_path):
    path = tmp_path / "medical_scores.csv"
    scores.write_csv(path)
    lines = path.read_text().splitlines()
    assert lines[:3] == [",0", "0,", "1,1.0"] and len(lines) == 1 + tiny.D_SAE
    found = AlignmentScores.read_csv(path, lm, sae)
    np.testing.assert_array_equal(found.values(), scores.values())
    assert found.topic == "medical_scores" and found.unsupported.tolist() == [0]
    assert found.verdict.word == "not measured"
    assert "1 of 24 scores are blank: unsupported latents" in found.notes[1]
    found.check(lm, sae)
    assert [row.latent for row in found.top(2)] == [1, 2]  # no intervals, so by score


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",0\n0,high\n", r"line 2: a score is a number or blank, got 'high'"),
        (",0\n0,2\n", r"line 2: a score lies between 0 and 1"),
        (",0\nx,1\n", r"line 2: a latent is a whole number"),
        (",0\n1.5,1\n", r"line 2: a latent is a whole number"),
        (",0\n0,1\n0,1\n", r"line 3: latent 0 stands twice"),
        (",0,1\n0,1,1\n", r"has 3 columns, not a latent and its score"),
        (",0\n0,1\n1,nan\n", r"one for each of 24 latents, got 2 rows"),
    ],
)
def test_a_csv_of_something_else(text, message, lm, sae, tmp_path):
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        AlignmentScores.read_csv(path, lm, sae)


GOOD = Power(told=0.95, shared=0.99, fit=0.9, kept=1.0, focus=0.08, support=12, certain=0.7)


def test_the_verdict_says_what_fell_short():
    good = judged(GOOD)
    assert good.word == "trusted" and good.trust == 1 and len(good.reasons) == 7
    doubtful = judged(replace(GOOD, fit=0.5))
    assert doubtful.word == "doubtful" and 0 < doubtful.trust < 1
    (reason,) = doubtful.reasons
    assert reason == "it explains 50% of the variance of the topic's activations (wanted: 60%)"
    missing = judged(replace(GOOD, told=0.5, fit=0.5, support=1, certain=0.0))
    assert missing.word == "not covered" and missing.trust == 0 and len(missing.reasons) == 4
    assert str(doubtful).startswith("doubtful (0.")
    assert Verdict.from_dict(missing.to_dict()) == missing


@pytest.mark.parametrize("figure", [each.name for each in fields(Power)])
def test_every_figure_has_a_say(figure):
    assert judged(replace(GOOD, **{figure: 0.0})).word == "not covered"
    assert judged(replace(GOOD, **{figure: 0.0})).trust == 0
