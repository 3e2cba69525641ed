"""Agreement against the formulas written out, and what is said where there is nothing to compare."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import cohen_kappa_score

from saesteer.errors import InputError
from saesteer.evaluation import RowJudgement, agreement
from saesteer.evaluation.rating import TAKEN_BACK
from saesteer.evaluation.weighted import alpha

RNG = np.random.default_rng(0)


@pytest.fixture
def rows(make_rows):
    found = make_rows({f"p{i}": [(0.5, 1.0)] * 4 for i in range(12)})
    return [replace(row, text=f"text {number}") for number, row in enumerate(found)]


def said(rows, judge, values, figure="behaviour", fingerprint=None):
    return [
        RowJudgement(row.id, judge, fingerprint or judge, {figure: float(value)})
        for row, value in zip(rows, values, strict=False)
    ]


def two(rows, noise=0.2):
    x = RNG.integers(0, 10, len(rows)) / 9
    return x, np.clip(np.round((x + RNG.normal(0, noise, len(rows))) * 9) / 9, 0, 1)


def test_figures_are_those_of_their_formulas(rows):
    x, y = two(rows)
    (pair,) = agreement(rows, said(rows, "a", x) + said(rows, "b", y)).pairs
    assert (pair.figure, pair.one, pair.other, pair.rows, pair.prompts) == ("behaviour", "a", "b", 48, 12)
    assert pair.pearson.estimate == pytest.approx(pearsonr(x, y)[0])
    assert pair.spearman.estimate == pytest.approx(spearmanr(x, y)[0])
    cuts = [0.125, 0.375, 0.625, 0.875]
    levels = [np.digitize(each, cuts) for each in (x, y)]
    assert pair.kappa.estimate == pytest.approx(
        cohen_kappa_score(*levels, weights="quadratic", labels=range(5))
    )
    assert pair.kappa_half.estimate == pytest.approx(cohen_kappa_score(x >= 0.5, y >= 0.5))
    assert pair.gap.estimate == pytest.approx((x - y).mean())
    assert np.array(pair.confusion).sum() == 48 and pair.confusion[0][0] == ((x < 0.125) & (y < 0.125)).sum()
    for each in (pair.pearson, pair.spearman, pair.kappa, pair.kappa_half):
        assert -1 <= each.low < each.estimate < each.high <= 1


def test_alpha_is_that_of_its_formula():
    values = np.array([[1, 1.5, np.nan], [2, 2, 3], [3, np.nan, np.nan], [0, 1, 0.5], [2, 2.5, 2]])
    units = [row[~np.isnan(row)] for row in values]
    units = [unit for unit in units if len(unit) > 1]
    every = np.concatenate(units)
    seen = sum(((u[:, None] - u[None]) ** 2).sum() / (len(u) - 1) for u in units) / len(every)
    chance = ((every[:, None] - every[None]) ** 2).sum() / (len(every) * (len(every) - 1))
    assert alpha(np.ones((1, 5)), values)[0] == pytest.approx(1 - seen / chance)


def test_intervals_draw_whole_prompts(rows):
    """Rows of one prompt that are the same row four times carry no more than it."""
    x, y = two(rows[:12], 0.4)
    four = [np.repeat(each, 4) for each in (x, y)]
    (clustered,) = agreement(rows, said(rows, "a", four[0]) + said(rows, "b", four[1])).pairs
    single = [replace(row, prompt_id=row.id) for row in rows]
    (loose,) = agreement(single, said(rows, "a", four[0]) + said(rows, "b", four[1])).pairs
    width = [each.pearson.high - each.pearson.low for each in (clustered, loose)]
    assert width[0] > 1.4 * width[1]


def test_the_worst_disagreements_come_first_each_text_once(rows):
    same = [replace(row, text="the same") for row in rows[:2]] + rows[2:]
    x, y = np.zeros(48), np.zeros(48)
    x[:4] = (1.0, 1.0, 0.5, 0.75)
    (pair,) = agreement(same, said(rows, "a", x) + said(rows, "b", y), worst=3).pairs
    # ids follow from texts, so that those two rows are not in the table
    assert [each.one for each in pair.worst] == [0.75, 0.5]
    found = agreement(same, said(same, "a", x) + said(same, "b", y), worst=3).pairs[0].worst
    assert [each.one for each in found] == [1.0, 0.75, 0.5] and found[0].row.text == "the same"


def test_only_rows_and_figures_that_both_judged_are_compared(rows):
    x, y = two(rows)
    lines = said(rows, "a", x) + said(rows[:10], "b", y) + said(rows, "b", y, "coherence")
    lines = [RowJudgement(each.row, each.judge, each.fingerprint, each.figures) for each in lines]
    found = agreement(rows, lines, ["behaviour"])
    assert [pair.rows for pair in found.pairs] == [10]
    assert found.judges["a"] == {"behaviour": 48, "failed": 0}
    failures = [RowJudgement(row.id, "b", "b", error="no") for row in rows[10:13]]
    assert agreement(rows, lines + failures).judges["b"]["failed"] == 3


def test_judges_of_one_name_are_told_apart(rows):
    x, y = two(rows)
    lines = said(rows, "llm", x, fingerprint="1" * 64) + said(rows, "llm", y, fingerprint="2" * 64)
    (pair,) = agreement(rows, lines).pairs
    assert (pair.one, pair.other) == ("llm 111111", "llm 222222")


def test_a_judge_that_says_the_same_of_all_has_no_correlation(rows):
    x, _ = two(rows)
    (pair,) = agreement(rows, said(rows, "a", x) + said(rows, "b", np.ones(48))).pairs
    assert pair.pearson is None and pair.spearman is None and pair.gap.estimate < 0
    (pair,) = agreement(rows, said(rows, "a", np.ones(48)) + said(rows, "b", np.ones(48))).pairs
    assert pair.kappa is None


def test_what_cannot_be_compared(rows):
    x, y = two(rows)
    with pytest.raises(InputError, match="two judges"):
        agreement(rows, said(rows, "a", x))
    with pytest.raises(InputError, match="'rhyme'"):
        agreement(rows, said(rows, "a", x) + said(rows, "b", y), ["rhyme"])
    for cuts in ([], [0.5, 0.5], [0.75, 0.25], [0.0]):
        with pytest.raises(InputError, match="thresholds"):
            agreement(rows, said(rows, "a", x) + said(rows, "b", y), thresholds=cuts)


def test_failures_are_counted_of_each_judge_of_one_name(rows):
    """As of one model with two sets of criteria: labels are told apart, and so are failures."""
    failed = [RowJudgement(row.id, "llm", "a" * 8, error="unparsed: x") for row in rows[:5]]
    fine = said(rows[5:], "llm", [0.5] * 43, fingerprint="a" * 8) + said(
        rows, "llm", [0.2] * 48, fingerprint="b" * 8
    )
    judges = agreement(rows, failed + fine).judges
    assert judges == {
        "llm aaaaaa": {"behaviour": 43, "failed": 5},
        "llm bbbbbb": {"behaviour": 48, "failed": 0},
    }


def test_a_rating_that_was_taken_back_is_no_failure(rows):
    gone = RowJudgement(rows[0].id, "human (ann)", "human (ann)", error=TAKEN_BACK)
    people = [gone, *said(rows[1:], "human (ann)", [0.5] * 47)]
    judges = agreement(rows, people + said(rows, "oracle", [0.2] * 48)).judges
    assert judges["human (ann)"] == {"behaviour": 47, "failed": 0}
