import pytest
from scipy import stats

from saesteer.concepts.notes import smallest_p, texts_needed


@pytest.mark.parametrize(("n", "m"), [(3, 3), (8, 5), (30, 30)])
def test_the_smallest_p_is_that_of_perfect_separation(n, m):
    yes, no = range(m, n + m), range(m)
    assert smallest_p(n, m) == pytest.approx(stats.mannwhitneyu(yes, no, method="asymptotic").pvalue)


@pytest.mark.parametrize("latents", [1, 1024, 65536])
def test_so_many_texts_are_needed_and_no_fewer(latents):
    n = texts_needed(latents)
    assert smallest_p(n, n) * latents <= 0.05
    assert n == 2 or smallest_p(n - 1, n - 1) * latents > 0.05
