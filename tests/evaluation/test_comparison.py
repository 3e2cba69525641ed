"""Two settings on the same prompts: figures by hand, halves apart, corrections, counts of what failed."""

import numpy as np
import pytest
import scipy.stats

from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation import Setting, SweepResult, compare_rows
from saesteer.statistics import cliffs_delta, holm, power_note

PROMPTS = [f"prompt {number}" for number in range(12)]
WEAK, STRONG, BASE = (Setting("sea", "diffmean", "", strength) for strength in (1.0, 2.0, 0.0))


@pytest.fixture
def result(make_rows):
    rng = np.random.default_rng(0)
    level = rng.uniform(0.1, 0.3, len(PROMPTS))

    def of(gain, strength):
        pairs = {p: [(float(min(1, a + gain + n)), 0.9) for n in rng.uniform(0, 0.2, 3)]
                 for p, a in zip(PROMPTS, level, strict=True)}  # fmt: skip
        return make_rows(pairs, strength)

    return SweepResult((*of(0.0, 0.0), *of(0.05, 1.0), *of(0.4, 2.0)), {"seed": 0})


def by_prompt(result, setting, half):
    rows = [row for row in result.rows if row.setting == setting and row.half == half]
    return {
        name: np.array([row.behaviour for row in rows if row.prompt_id == name])
        for name in sorted({row.prompt_id for row in rows})
    }


def test_figures_are_those_of_the_prompts_differences(result):
    found = result.compare(STRONG, BASE, half="test")
    one, other = (by_prompt(result, setting, "test") for setting in (STRONG, BASE))
    tops, bottoms = (np.array([each.mean() for each in side.values()]) for side in (one, other))
    gaps = tops - bottoms
    assert (found.prompts, found.samples, found.failed, found.unpaired) == (6, (18, 18), (0, 0), 0)
    assert found.difference.estimate == pytest.approx(gaps.mean())
    assert found.difference.low > 0.3 and found.half == "test"
    assert found.p == pytest.approx(2 / 2**6, abs=0.01) and found.p_adjusted is None
    t = scipy.stats.ttest_rel(tops, bottoms).statistic
    assert found.cohens_d == pytest.approx(t / np.sqrt(6))
    assert found.rank_biserial == 1 and found.cliffs_delta == cliffs_delta(tops, bottoms)
    flat = [(np.concatenate(list(s.values())), np.repeat(list(s), 3)) for s in (one, other)]
    assert found.power == power_note(*flat[0], *flat[1])
    assert "6 prompts, 36 samples, 0 failed; to show a difference of" in str(found)
    back = result.compare(BASE, STRONG, half="test")
    assert back.difference.estimate == -found.difference.estimate and back.p == found.p


def test_halves_are_never_mixed(result):
    with pytest.raises(InputError, match="both halves of the prompts; give half='test'"):
        result.compare(STRONG, BASE)
    alone = result.where(half="selection")
    assert alone.compare(STRONG, BASE) == result.compare(STRONG, BASE, half="selection")
    assert alone.compare(STRONG, BASE) != result.compare(STRONG, BASE, half="test")
    with pytest.raises(InputError, match="no samples in the test"):
        alone.compare(STRONG, BASE, half="test")
    with pytest.raises(InputError, match="half is"):
        result.compare(STRONG, BASE, half="both")


def test_several_are_corrected_together(result):
    found = result.compare_with(BASE, half="test")
    assert [each.one for each in found] == [WEAK, STRONG]
    assert [each.p_adjusted for each in found] == holm(np.array([each.p for each in found])).tolist()
    assert found[1].p_adjusted == pytest.approx(2 * found[1].p) and "of Holm" in str(found[1])
    with pytest.raises(InputError, match="at least one other"):
        result.compare_with(BASE, [], half="test")


def test_what_failed_is_counted_and_not_averaged(make_rows):
    good = {p: [(0.5, 0.5), (0.7, 0.5)] for p in PROMPTS[:6]}
    torn = {p: [(0.6, 0.5), (None, None)] for p in PROMPTS[:4]} | {PROMPTS[4]: [(None, None)]}
    rows = [*make_rows(good, 0.0), *make_rows(torn, 1.0)]
    half = {row.prompt_id: row.half for row in rows[:12]}
    rows = [row for row in rows if row.half == half[row.prompt_id]]
    found = [compare_rows(rows, WEAK, BASE, half=name) for name in ("selection", "test")]
    assert sum(sum(each.failed) for each in found) == sum(not row.ok for row in rows)
    assert sum(each.unpaired for each in found) == 6 - sum(each.prompts for each in found)
    for each in found:
        assert each.difference.estimate == pytest.approx(0, abs=1e-12) and each.cohens_d == pytest.approx(
            0, abs=1
        )
    with pytest.raises(SaesteerError, match="failed"):
        compare_rows([row for row in rows if row.setting == BASE or not row.ok], WEAK, BASE, half="test")


def test_other_figures_by_name(make_rows):
    said = {"detail": '{"others": {"instruction": 0.3}}', "nll": 2.0}
    rows = make_rows({p: [(0.5, 0.8)] for p in PROMPTS}, 0.0)
    rows += make_rows({p: [(0.5, 0.4)] for p in PROMPTS}, 1.0, **said)
    told = {
        name: compare_rows(rows, WEAK, BASE, name, half="test")
        for name in ("coherence", "mean_product", "nll")
    }
    assert [each.difference.estimate for each in told.values()] == pytest.approx([-0.4, -0.2, 1.0])
    assert told["coherence"].power.needed == 6  # fewer pairs show nothing at all
    with pytest.raises(InputError, match=r"no sample of .* has the figure 'instruction'"):
        compare_rows(rows, WEAK, BASE, "instruction", half="test")
    with pytest.raises(InputError, match="no samples of"):
        compare_rows(rows, STRONG, BASE, half="test")


def test_prompts_that_only_one_has_are_left_out(make_rows):
    one, other = make_rows({PROMPTS[0]: [(0.5, 1.0)]}, 1.0), make_rows({PROMPTS[1]: [(0.5, 1.0)]}, 0.0)
    with pytest.raises(InputError, match="share no judged prompt"):
        compare_rows([*one, *other], WEAK, BASE)
    alone = compare_rows([*one, *make_rows({PROMPTS[0]: [(0.1, 1.0)]}, 0.0)], WEAK, BASE)
    assert alone.prompts == 1 and alone.power is None and alone.half == "selection"


def test_seeds_are_counted_and_a_prompt_counts_once_whatever_its_seeds(make_rows):
    rows = []
    for seed in (0, 1):
        rows += make_rows({f"p {n}": [(0.2 + 0.1 * seed, 1.0)] for n in range(6)}, 1.0, seed=seed)
        rows += make_rows({f"p {n}": [(0.6 + 0.1 * seed, 1.0)] for n in range(6)}, 2.0, seed=seed)
    low, high = (Setting("sea", "diffmean", "", each) for each in (1.0, 2.0))
    found = compare_rows(rows, high, low, half="test")
    assert (found.seeds, found.prompts, found.samples) == (2, 3, (6, 6))
    assert found.difference.estimate == pytest.approx(0.4)
    assert compare_rows([row for row in rows if not row.seed], high, low, half="test").seeds == 1
