"""The table of changes: values, standard errors and p-values against what can be worked out by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from saesteer.errors import InputError
from saesteer.harness.deltas import Scores, deltas, paired_p
from saesteer.harness.results import scores_of
from saesteer.harness.tables import HEAD, cells, markdown


def scores(values, higher=True, task="t", metric="acc"):
    items = {str(number): value for number, value in enumerate(values)}
    return Scores(task, "none", metric, float(np.mean(values)), 0.1, higher, items)


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
    plain, other = scores([3.0, 4.0], higher=False), scores([5.0, 3.5], higher=False)
    (row,) = deltas([plain], [("a", "a", None, [other])])
    assert (row.worse, row.better) == (1, 1) and row.delta == pytest.approx(0.75)


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
    assert (found.items, found.stderr, found.higher_is_better) == ({"0": 1.0, "1": 0.0}, 0.2, False)
    (found,) = scores_of(results([1.0, 0.0], 0.7))  # an f1 of all items, say
    assert found.items == {} and found.value == 0.7
    (found,) = scores_of(results([(1.0, 2), (0.0, 3)], 4.0, "word_perplexity"))
    assert found.items == {}


def test_the_table_in_words():
    rows = deltas([PLAIN], [("a|b@1", "a", 1.0, [WORSE])])
    first, second = cells(rows, [PLAIN])
    assert first[:5] == ("unsteered", "t", "acc", "8", "0.7500 ± 0.1000")
    assert second[4:] == ("0.2500 ± 0.1000", "-0.5000 ± 0.2673", "5 / 1", "0.2188", "0.2188")
    text = markdown(rows, [PLAIN])
    assert text.splitlines()[0] == "| " + " | ".join(HEAD) + " |" and "a\\|b@1" in text
