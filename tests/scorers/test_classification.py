"""Figures by hand."""

import pytest

from saesteer.examples import LatentId, Score
from saesteer.scorers.classification import classification
from saesteer.scorers.frequency_weighted import frequency_weighted_f1


def row(truth, said, probability=None, quantile=None, kind="active"):
    return {"truth": truth, "said": said, "probability": probability, "quantile": quantile, "kind": kind}


def test_counts_and_rates():
    rows = [row(True, True, quantile=0), row(True, True, quantile=1), row(True, False, quantile=0)]
    rows += [row(False, False, kind="random")] * 3 + [row(False, True, kind="semantic")]
    found = classification(rows)
    assert [found[each] for each in ("tp", "fp", "tn", "fn")] == [2, 1, 3, 1]
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert found["precision"] == pytest.approx(2 / 3) and found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["auc"] == pytest.approx((2 / 3 + 3 / 4) / 2)  # of two values: the balanced accuracy
    assert found["accuracy_quantile_0"] == 0.5 and found["accuracy_quantile_1"] == 1
    assert found["accuracy_random"] == 1 and found["accuracy_semantic"] == 0


def test_the_area_is_by_probability_where_there_is_one():
    rows = [row(True, False, 0.4), row(True, False, 0.2), row(False, False, 0.3), row(False, False, 0.1)]
    assert classification(rows)["auc"] == pytest.approx(0.75)
    assert classification([{**each, "probability": None} for each in rows])["auc"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("rows", "missing"),
    [
        ([], {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc"}),
        ([row(True, True)], {"balanced_accuracy", "auc"}),
        ([row(False, False)], {"balanced_accuracy", "auc", "precision", "recall", "f1"}),
        ([row(False, False), row(True, False)], {"precision"}),
    ],
)
def test_what_does_not_follow_is_none(rows, missing):
    found = classification(rows)
    assert {name for name, value in found.items() if value is None} == missing


def test_f1_over_an_sae_weighs_latents_by_how_often_they_fire():
    def score(sae, latent, f1):
        return Score(LatentId(sae, latent), "detection", "x", None, {} if f1 is None else {"f1": f1})

    scores = [score("a", 0, 1.0), score("a", 1, 0.5), score("a", 2, None), score("b", 0, 0.25)]
    scores += [score("c", 0, None)]
    densities = {each.latent: 0.01 for each in scores} | {LatentId("a", 1): 0.03}
    found = frequency_weighted_f1(scores, densities)
    assert found["a"] == pytest.approx((0.01 * 1.0 + 0.03 * 0.5) / 0.04)
    assert found["b"] == pytest.approx(0.25) and found["c"] is None
