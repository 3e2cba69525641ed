"""Figures of scores against known answers: columns, accuracies, ROC, agreement, weights, failures, cost."""

import numpy as np
import pytest
from scipy import stats

from saesteer.examples import Explanation, Failure, Interpretation, LatentFigures, LatentId, Score
from saesteer.llms import Usage
from saesteer.report.score_agreement import agreements
from saesteer.report.score_answers import accuracies, right, roc
from saesteer.report.score_columns import Column, columns
from saesteer.report.score_summary import costs, failures, score_summary
from saesteer.scorers.frequency_weighted import frequency_weighted_f1
from saesteer.statistics import auroc
from tests.report.interpretations import made_interpretation


def ids(n):
    return [LatentId("a", number) for number in range(n)]


def column(name, values):
    return Column(
        name,
        None,
        {each: Score(each, name, None, value) for each, value in zip(ids(99), values, strict=False)},
    )


def rows_of(answers, **more):
    return tuple({"truth": truth, "said": said} | more for truth, said in answers)


def test_one_column_per_scorer_and_per_explainer_where_there_are_several():
    one = columns(made_interpretation(6))
    assert [each.label for each in one] == ["detection", "fuzzing", "intruder"]
    several = columns(made_interpretation(6, ("default", "random")))
    assert [each.label for each in several] == [
        "detection of default", "fuzzing of default", "detection of random", "fuzzing of random", "intruder",
    ]  # fmt: skip
    for each in several:
        for latent, score in each.scores.items():
            assert score.latent == latent and (each.explainer is None or each.explainer in score.explanation)


def test_explainers_that_say_the_same_have_a_score_each():
    (latent,) = ids(1)
    found = Interpretation(
        tuple(Explanation(latent, name, "the sea") for name in ("one", "two")),
        tuple(Score(latent, "s", "the sea", value) for value in (0.25, 0.75)),
        {},
    )
    assert [(each.explainer, each.values[latent]) for each in columns(found)] == [
        ("one", 0.25),
        ("two", 0.75),
    ]


def test_the_headline_is_what_results_say_or_what_equals_it():
    (latent,) = ids(1)
    score = Score(latent, "s", None, 0.5, {"f1": 0.5, "accuracy": 0.5})
    assert columns(Interpretation((), (score,), {}))[0].headline == "f1"
    about = {"scorers": {"s": {"headline": "accuracy"}}}
    assert columns(Interpretation((), (score,), {}, about))[0].headline == "accuracy"
    assert columns(Interpretation((), (Score(latent, "s", None, 0.5),), {}))[0].headline == "score"


def test_right_and_wrong():
    assert right({"truth": True, "said": True}) is True and right({"truth": 3, "said": 2}) is False
    assert right({"truth": True, "said": None}) is None and right({}) is None
    assert right({"truth": [1], "said": [1]}) is None


def test_accuracy_by_part_and_of_silent_windows():
    rows = (
        *rows_of([(True, True), (True, False)], quantile=0),
        *rows_of([(True, True)], quantile=9),
        *rows_of([(False, False), (False, False), (False, True)], quantile=None),
        *rows_of([(True, True)], quantile=None),  # an active window of no part
        *rows_of([(3, 3), (3, 1)], others_quantile=9),
        {"truth": True, "quantile": 0},
    )
    scores = {each: Score(each, "s", None, 0.5, rows=rows) for each in ids(2)}
    found = accuracies(Column("s", None, scores))
    assert [(each.quantile, each.share.estimate, each.answers) for each in found] == [
        (0, 0.5, 4), (9, pytest.approx(2 / 3), 6), (None, pytest.approx(2 / 3), 6),
    ]  # fmt: skip


def test_intervals_are_over_latents_not_over_answers():
    """Latents that are all right or all wrong: forty answers of four latents say as little as four."""
    few = {
        each: Score(each, "s", None, 0.5, rows=rows_of([(True, each.latent % 2 == 0)], quantile=0))
        for each in ids(4)
    }
    many = {each: Score(each, "s", None, 0.5, rows=score.rows * 10) for each, score in few.items()}
    (one,), (ten,) = (accuracies(Column("s", None, scores)) for scores in (few, many))
    assert (ten.share.low, ten.share.high) == (one.share.low, one.share.high)
    assert ten.answers == 40 and ten.share.high - ten.share.low > 0.5


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    values = np.random.default_rng(2).normal(0.5, 0.2, 60).tolist()
    (found,) = score_summary(Interpretation((), tuple(column("s", values).scores.values()), {}))
    error = np.std(values, ddof=1) / 60**0.5
    assert found.mean.high - found.mean.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_roc_of_all_answers_together():
    draw = np.random.default_rng(0)
    truth, grade = draw.random(600) < 0.4, draw.random(600).round(2)
    grade = np.where(truth, grade**0.5, grade)
    rows = [{"truth": bool(t), "probability": float(p)} for t, p in zip(truth, grade, strict=True)]
    scores = {each: Score(each, "s", None, 0.5, rows=tuple(rows[each.latent :: 6])) for each in ids(6)}
    found = roc(Column("s", None, scores))
    assert found.area.estimate == pytest.approx(float(auroc(grade, truth))) and found.answers == 600
    assert found.area.low < found.area.estimate < found.area.high
    assert np.trapezoid(found.true_positives, found.false_positives) == pytest.approx(
        found.area.estimate, abs=0.01
    )
    assert (found.false_positives[-1], found.true_positives[-1]) == (1, 1)
    swapped = [row | {"probability": None, "value": row["probability"]} for row in rows]
    same = roc(Column("s", None, {ids(1)[0]: Score(ids(1)[0], "s", None, 0.5, rows=tuple(swapped))}))
    assert same.area.estimate == found.area.estimate
    assert (
        roc(
            Column(
                "s", None, {ids(1)[0]: Score(ids(1)[0], "s", None, 0.5, rows=tuple(rows_of([(True, True)])))}
            )
        )
        is None
    )


def test_answers_with_one_probability_are_one_step():
    rows = tuple({"truth": n % 3 == 0, "probability": 0.5} for n in range(30))
    found = roc(Column("s", None, {each: Score(each, "s", None, 0.5, rows=rows) for each in ids(4)}))
    assert (found.false_positives, found.true_positives) == ((0.0, 1.0), (0.0, 1.0))
    assert (found.area.low, found.area.estimate, found.area.high) == (0.5, 0.5, 0.5)


def test_agreement_is_pearsons_and_spearmans():
    draw = np.random.default_rng(1)
    x = draw.normal(size=40)
    y = np.exp(x + draw.normal(size=40)).round(1)  # with ties
    (found,) = agreements((column("one", x.tolist()), column("two", y.tolist())))
    assert found.latents == 40
    assert found.pearson.estimate == pytest.approx(stats.pearsonr(x, y).statistic)
    assert found.spearman.estimate == pytest.approx(stats.spearmanr(x, y).statistic)
    for each in (found.pearson, found.spearman):
        assert -1 <= each.low < each.estimate < each.high <= 1


def test_agreement_over_latents_that_both_have():
    (found,) = agreements((column("one", [0.1, 0.2, None, 0.4]), column("two", [1.0, 2.0, 3.0])))
    assert found.latents == 2 and found.pearson is None and found.spearman is None
    (same,) = agreements((column("one", [1.0, 2.0, 3.0]), column("two", [5.0, 5.0, 5.0])))
    assert same.latents == 3 and same.pearson is None
    assert [(e.one, e.other) for e in agreements(tuple(column(n, [1.0]) for n in "abc"))] == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip


def test_the_summary_in_numbers():
    found = made_interpretation(30, saes=("layers.1", "layers.3"))
    detection, _, intruder = score_summary(found)
    scores = [each for each in found.scores if each.scorer == "detection"]
    values = [each.value for each in scores]
    assert detection.median == np.median(values) and detection.mean.estimate == pytest.approx(np.mean(values))
    assert detection.mean.low < detection.mean.estimate < detection.mean.high
    assert detection.answers == sum(len(each.rows) for each in scores)
    assert detection.unread == sum(len(each.failures) for each in scores)
    assert detection.usage.prompt_tokens == 2_000 * len(scores)
    densities = {latent: known.density for latent, known in found.latents.items()}
    expected = frequency_weighted_f1(scores, densities)
    assert {sae: each.estimate for sae, each in detection.weighted_f1.items()} == pytest.approx(expected)
    assert intruder.f1 is None and intruder.weighted_f1 == {} and intruder.roc is None
    assert score_summary(Interpretation((), (), {})) == ()


def test_latents_without_a_value_are_counted_and_in_no_figure():
    known = {each: LatentFigures(0.1, 1.0, 5) for each in ids(3)}
    scores = tuple(
        Score(each, "s", None, value, {"f1": value})
        for each, value in zip(ids(3), (0.5, None, float("nan")), strict=True)
    )
    (found,) = score_summary(Interpretation((), scores, known))
    assert (found.latents, found.without, found.median, found.f1.estimate) == (1, 2, 0.5, 0.5)
    (nothing,) = score_summary(Interpretation((), scores[1:], known))
    assert nothing.median is None and nothing.mean is None and nothing.weighted_f1 == {}


def test_failures_and_cost_by_stage():
    one, two = ids(2)
    late, odd = Failure("timed_out", "30 s"), Failure("unparsed", "no list")
    explanations = (
        Explanation(one, "e", None, late, Usage(1, retries=3)),
        Explanation(two, "e", "x", None, Usage(1, cost=0.5)),
    )
    scores = (
        Score(one, "s", None, None, failures=(odd, odd, late), usage=Usage(2)),
        Score(two, "s", "x", 1.0, failures=(odd,)),
    )
    found = Interpretation(explanations, scores, {})
    assert [(e.stage, e.name, e.kind, e.count, e.latent) for e in failures(found)] == [
        ("score", "s", "unparsed", 3, one),
        ("explain", "e", "timed_out", 1, one),
        ("score", "s", "timed_out", 1, one),
    ]
    assert [(e.stage, e.name, e.usage) for e in costs(found)] == [
        ("explain", "e", Usage(2, retries=3, cost=0.5)), ("score", "s", Usage(2)),
    ]  # fmt: skip
