"""The table of changes: values, standard errors and p-values against what can be worked out by hand."""

import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest

from saesteer.errors import InputError
from saesteer.harness.deltas import Scores, deltas, paired_p
from saesteer.harness.forms import FORMS, gives
from saesteer.harness.results import scores_of
from saesteer.harness.tables import HEAD, cells, markdown


def scores(values, higher=True, task="t", metric="acc"):
    items = {str(number): (value, 1.0) for number, value in enumerate(values)}
    return Scores(task, "none", metric, float(np.mean(values)), 0.1, higher, items, "mean")


PLAIN = scores([1, 1, 1, 1, 1, 1, 0, 0.0])
WORSE = scores([0, 0, 0, 0, 0, 1, 1, 0.0])


def test_a_change_has_its_paired_standard_error_and_counts():
    (row,) = deltas([PLAIN], [("a@1", "a", 1.0, [WORSE])])
    changes = np.array([-1, -1, -1, -1, -1, 0, 1, 0])
    assert row.delta == pytest.approx(changes.mean()) == pytest.approx(row.value - row.plain)
    assert row.delta_stderr == pytest.approx(changes.std(ddof=1) / np.sqrt(8))
    assert (row.worse, row.better, row.items) == (5, 1, 8)
    assert row.p == row.p_holm == pytest.approx(2 * (1 + 6) / 2**6)  # of six, five or more one way


def test_less_may_be_better():
    plain, other = (scores(each, higher=False) for each in ([3.0, 4.0, 1.0], [5.0, 3.5, 1.25]))
    (row,) = deltas([plain], [("a", "a", None, [other])])
    assert (row.worse, row.better) == (2, 1) and row.delta == pytest.approx(1.75 / 3)


def test_flips_of_signs_are_counted_where_items_change_by_degrees():
    changes = np.array([0.5, 0.25, 1.0, 0.75, 0.1, 0.0])
    signs = np.array(list(itertools.product([-1, 1], repeat=5)))
    exact = np.mean(np.abs(signs @ changes[:5]) >= changes.sum() - 1e-9)
    assert paired_p(changes) == pytest.approx(exact, abs=0.02)
    assert paired_p(np.zeros(4)) == 1.0
    assert paired_p(changes) == paired_p(np.concatenate([changes, np.zeros(100)]))  # no change says nothing


def test_p_is_adjusted_over_every_row_of_the_table():
    rows = deltas([PLAIN], [(f"a@{i}", "a", float(i), [WORSE]) for i in range(4)])
    assert [row.p_holm for row in rows] == [pytest.approx(min(1.0, 4 * rows[0].p))] * 4
    none = replace(WORSE, items={})
    found = deltas([replace(PLAIN, items={})], [("a", "a", None, [none])])
    assert (found[0].p, found[0].p_holm, found[0].delta_stderr, found[0].items) == (None, None, None, 0)
    assert found[0].delta == pytest.approx(WORSE.value - PLAIN.value)


def test_other_items_are_not_compared():
    with pytest.raises(InputError, match="t was run on other items than the plain model"):
        deltas([PLAIN], [("a", "a", None, [scores([1, 1, 1.0])])])
    with pytest.raises(InputError, match="a has t none f1 and the plain model has not"):
        deltas([PLAIN], [("a", "a", None, [scores([1.0], metric="f1")])])


def results(values, mean, metric="acc"):
    samples = [{"doc_id": i, "filter": "none", metric: v} for i, v in enumerate(values)]
    return {
        "results": {"t": {"alias": "t", f"{metric},none": mean, f"{metric}_stderr,none": 0.2}},
        "higher_is_better": {"t": {metric: False}},
        "samples": {"t": samples},
    }


def test_items_are_taken_of_metrics_that_are_their_mean():
    (found,) = scores_of(results([1.0, 0.0], 0.5))
    assert found.items == {"0": (1.0, 1.0), "1": (0.0, 1.0)} and found.form == "mean"
    assert (found.stderr, found.higher_is_better) == (0.2, False)
    (found,) = scores_of(results([1.0, 0.0], 0.7))  # an f1 of all items, say
    assert found.items == {} and found.value == 0.7
    (found,) = scores_of(results([(1.0, 2), (0.0, 3)], 4.0, "word_perplexity"))
    assert found.items == {} and found.form == ""


LABELS = [(1, 1), (1, 0), (0, 0), (0, 1), (1, 1), (0, 0), (1, 1), (0, 0)]
OTHERS = [(1, 0), (1, 0), (0, 1), (0, 1), (1, 1), (0, 0), (1, 0), (0, 0)]
LIKELY = [(-8.0, 4), (-3.0, 2), (-20.0, 5), (-1.0, 1)]


@pytest.mark.parametrize(
    "name, values",
    [
        ("f1", LABELS),
        ("matthews_corrcoef", LABELS),
        ("weighted_perplexity", LIKELY),
        ("bits_per_byte", LIKELY),
        ("perplexity", [-8.0, -3.0, -20.0]),
    ],
)
def test_forms_give_what_lm_eval_computes(name, values):
    from lm_eval.api.registry import get_aggregation

    value = float(get_aggregation(name)(values))
    (found,) = scores_of(results(values, value, "m"))
    assert found.form == name and len(found.items) == len(values)
    assert gives(FORMS[name], found.items, value) and not gives(FORMS[name], found.items, value * 1.001)


def test_swapped_items_say_how_rare_a_change_of_a_metric_that_is_no_mean_is():
    from lm_eval.api.registry import get_aggregation

    f1 = get_aggregation("f1")
    both = [scores_of(results(each, float(f1(each)), "f1"))[0] for each in (OTHERS, LABELS)]
    (row,) = deltas([both[1]], [("a", "a", None, [both[0]])])
    found = abs(row.delta)
    counted = []
    for kept in itertools.product([True, False], repeat=len(LABELS)):
        one = [a if k else b for a, b, k in zip(OTHERS, LABELS, kept, strict=True)]
        other = [b if k else a for a, b, k in zip(OTHERS, LABELS, kept, strict=True)]
        counted.append(abs(f1(one) - f1(other)) >= found - 1e-9)
    assert row.p == pytest.approx(np.mean(counted), abs=0.03)
    assert (row.worse, row.better, row.items) == (3, 0, 8)
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, 8, size=(300, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a draw without any positive label
        gaps = [f1([OTHERS[i] for i in each]) - f1([LABELS[i] for i in each]) for each in drawn]
    assert row.delta_stderr == pytest.approx(np.std(gaps), rel=0.15)


def test_a_value_that_fits_two_forms_takes_that_of_the_other_setting():
    from lm_eval.api.registry import get_aggregation

    matthews = get_aggregation("matthews_corrcoef")
    none = [(true, 0) for true, _ in LABELS]  # a correlation of 0 is an F1 of 0
    both = [scores_of(results(each, float(matthews(each)), "mcc"))[0] for each in (none, LABELS)]
    assert [each.form for each in both] == ["f1", "matthews_corrcoef"]
    (row,) = deltas([both[1]], [("a", "a", None, [both[0]])])
    assert row.items == 8 and row.delta_stderr is not None and 0 < row.p <= 1


def grouped(value, first=(1.0, 0.0, 1.0, 1.0), second=(0.0, 1.0, 1.0)):
    one, other = results(first, float(np.mean(first))), results(second, float(np.mean(second)))
    return {
        "results": {
            "g": {"acc,none": value, "acc_stderr,none": 0.1},
            "a": one["results"]["t"],
            "b": other["results"]["t"],
        },
        "group_subtasks": {"g": ["inner", "b"], "inner": ["a", "g"]},
        "samples": {"a": one["samples"]["t"], "b": other["samples"]["t"]},
    }


@pytest.mark.parametrize("value, weights", [(5 / 7, {1.0}), ((0.75 + 2 / 3) / 2, {1 / 4, 1 / 3})])
def test_a_group_is_compared_by_the_items_of_its_tasks(value, weights):
    group, *_ = scores_of(grouped(value))
    assert group.task == "g" and len(group.items) == 7 and "a/0" in group.items
    assert {each[1] for each in group.items.values()} == weights
    worse = scores_of(grouped(value - sum(w for w in [group.items["a/0"][1]]) / sum(
        each[1] for each in group.items.values()), first=(0.0, 0.0, 1.0, 1.0)))[0]  # fmt: skip
    (row,) = deltas([group], [("s", "s", 1.0, [worse])])
    assert (row.items, row.worse, row.better) == (7, 1, 0)
    assert row.delta == pytest.approx(-group.items["a/0"][1] / sum(w for _, w in group.items.values()))
    shares = [row.delta * 7, 0, 0, 0, 0, 0, 0]  # of each item in the mean of seven
    assert row.delta_stderr == pytest.approx(np.std(shares, ddof=1) / np.sqrt(7))


def test_a_group_that_is_no_mean_of_its_items_has_no_p():
    group, *_ = scores_of(grouped(0.9))
    assert group.items == {} and group.form == ""


def test_the_table_in_words():
    rows = deltas([PLAIN], [("a|b@1", "a", 1.0, [WORSE])])
    first, second = cells(rows, [PLAIN])
    assert first[:5] == ("unsteered", "t", "acc", "8", "0.7500 ± 0.1000")
    assert second[4:] == ("0.2500 ± 0.1000", "-0.5000 ± 0.2673", "5 / 1", "0.2188", "0.2188")
    text = markdown(rows, [PLAIN])
    assert text.splitlines()[0] == "| " + " | ".join(HEAD) + " |" and "a\\|b@1" in text
