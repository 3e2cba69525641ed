"""What holds of every record, whatever the cache, the form, the samplers and the source."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saesteer.cache import LatentCache
from saesteer.errors import InputError, UnknownName
from saesteer.examples import (
    SAMPLERS,
    WINDOWS,
    Grid,
    LatentId,
    LatentRecord,
    Loader,
    Picks,
    Skipped,
    Sought,
)
from tests.examples.made import cache, caches, check, small, told

FORMS, NAMES = st.sampled_from(WINDOWS.names()), st.sampled_from(SAMPLERS.names())
NAME = "layers.0"


@given(caches, FORMS, NAMES, NAMES, st.sampled_from([1, 2, 8, 32]), st.sampled_from([None, 9]))
def test_windows_are_whole_disjoint_and_true(made, form, train, test, length, most):
    chosen = small(form=form, train_sampler=train, test_sampler=test, length=length, max_windows=most)
    loader = Loader(made, chosen)
    for found in loader.records(LatentId(NAME, each) for each in range(3)):
        if isinstance(found, Skipped):
            assert found.kind == "never_active" and not len(made[NAME].latent(found.latent.latent))
        else:
            check(loader, replace(found, windows=min(found.windows, most or found.windows)))


@settings(max_examples=15)
@given(st.permutations(range(6)), st.integers(0, 3))
def test_what_is_drawn_depends_on_seed_and_latent_alone(order, seed):
    made = cache([60] * 20, d_sae=6)
    alone = [told(Loader(made, small(seed=seed)).record(LatentId(NAME, each))) for each in order]
    together = Loader(made, small(seed=seed)).records(LatentId(NAME, each) for each in order)
    assert [told(each) for each in together] == alone


def test_seed_latent_and_sae_each_change_the_draw():
    made = cache([60] * 40, d_sae=2)
    table = made[NAME]
    indptr = np.concatenate([table.indptr[:2], [2 * table.indptr[1]]])
    twice = replace(
        table,
        name="b",
        indptr=indptr,
        tokens=np.tile(table.tokens[: indptr[1]], 2),
        values=np.tile(table.values[: indptr[1]], 2),
    )
    both = LatentCache(made.tokens, {"a": replace(twice, name="a"), "b": twice}, made.strings)
    loader = Loader(both, small())
    draws = [told(each) for each in loader.records()]
    assert [each.id for each in loader.records()] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    draws.append(told(Loader(both, small(seed=1)).record(LatentId("a", 0))))
    for part in range(4):
        assert len({each[part] for each in draws}) == 5


def test_the_test_sampler_leaves_training_windows_and_silent_ones_as_they_are():
    made = cache([60] * 20)
    one, other = (
        Loader(made, small(test_sampler=each, negatives=n)).record(LatentId(NAME, 0))
        for each, n in (("random", 5), ("even", 0))
    )
    assert told(one)[0] == told(other)[0] and told(one)[1] != told(other)[1]


def test_too_few_windows_are_shared_in_proportion_or_skipped_with_a_reason():
    made = cache([9] * 4, d_sae=1, density=1.0, ends=0)
    record = Loader(made, small(train=4, test=4)).record(LatentId(NAME, 0))
    assert (record.windows, len(record.train), len(record.test)) == (4, 2, 2)
    skipped = Loader(made, small(min_windows=5)).record(LatentId(NAME, 0))
    assert skipped == Skipped(LatentId(NAME, 0), "too_few_windows", "layers.0/0 is active in 4 windows of 5")


def test_a_cache_whose_rows_are_shorter_than_a_window():
    made = cache([5, 1, 3, 0, 4], d_sae=1, density=1.0, ends=0)
    loader = Loader(made, small(train=9, test=9))
    record = loader.record(LatentId(NAME, 0))
    check(loader, record)
    assert sorted(len(each.ids) for each in (*record.train, *record.test)) == [2, 3, 4]


def test_figures_of_a_record_are_those_of_the_cache():
    made = cache([60] * 20)
    record = Loader(made, small()).record(LatentId(NAME, 1))
    assert record.density == pytest.approx(made[NAME].statistics.density[1])
    assert record.about == {"negatives": {"random": 5}}
    assert (record.promoted, record.suppressed) == ((), ())


def test_own_functions_take_the_place_of_the_named_ones():
    made = cache([60] * 20)
    loader = Loader(
        made,
        small(),
        form=lambda grid, entries: WINDOWS.get("centred")(grid, entries),
        sampler=lambda pool, n, draw: np.arange(len(pool))[-n:],
        source=lambda sought: Picks.of(()),
    )
    record = loader.record(LatentId(NAME, 0))
    assert isinstance(record, LatentRecord)
    scores = WINDOWS.get("centred")(loader.grid, made[NAME].latent(0)).scores
    assert sorted(each.max for each in record.train) == sorted(scores)[:4]
    assert not record.silent_test


@pytest.mark.parametrize("positions", [[0, 0], [-1], [10**6], range(5)])
def test_a_sampler_that_repeats_or_invents_is_refused(positions):
    loader = Loader(cache([60] * 20), small(), sampler=lambda pool, n, draw: np.array(positions))
    with pytest.raises(InputError, match="different positions"):
        loader.record(LatentId(NAME, 0))


def test_a_form_with_overlapping_windows_is_refused():
    def overlapping(grid, entries):
        found = WINDOWS.get("tiled")(grid, entries)
        return replace(found, stops=found.stops + 20)

    with pytest.raises(InputError, match="overlap"):
        Loader(cache([60] * 20), small(), form=overlapping).record(LatentId(NAME, 0))


def test_presets_and_names_that_do_not_exist():
    made = cache([60] * 5)
    article = Loader(made, "article").settings
    assert (article.train, article.test, article.negatives) == (40, 100, 100)
    assert (article.test_sampler, article.max_windows) == ("even", 10_000)
    reference = Loader(made, "reference").settings
    assert (reference.train, reference.test, reference.negatives, reference.quantiles) == (40, 50, 50, 10)
    for fields in ({"form": "tile"}, {"train_sampler": "topp"}, {"negative_source": "rand"}):
        with pytest.raises(UnknownName, match="did you mean"):
            Loader(made, small(**fields))
    with pytest.raises(UnknownName):
        Loader(made, "referenc")


@pytest.mark.parametrize(
    "fields",
    [
        {"length": 0},
        {"train": 0, "test": 0},
        {"max_windows": 5},
        {"seed": -1},
        {"quantiles": 1.5},
        {"quantiles": 1001},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(fields):
    with pytest.raises(InputError):
        small(**fields)


@given(caches, FORMS, st.integers(1, 6))
def test_quantiles_are_numbered_by_the_rank_among_all_windows(made, form, parts):
    loader = Loader(made, small(form=form, quantiles=parts))
    for record in loader.records():
        scores = np.sort(WINDOWS.get(form)(loader.grid, made[NAME].latent(record.id.latent)).scores)
        for each in (*record.train, *record.test):
            weaker, as_strong = (np.searchsorted(scores, each.max, side=side) for side in ("left", "right"))
            numbers = (weaker * parts // len(scores), (as_strong - 1) * parts // len(scores))
            assert numbers[0] <= each.quantile <= numbers[1]


@given(caches, FORMS, st.sampled_from([1, 8, 32]))
def test_silent_windows_are_told_alike_one_by_one_and_all_at_once(made, form, length):
    grid, entries = Grid.of(made.tokens, length), made[NAME].latent(0)
    active = WINDOWS.get(form)(grid, entries)
    sought = Sought(LatentId(NAME, 0), 1, grid, entries, active, (active,), np.random.default_rng(0), None)
    busy = {t for a, b in zip(active.starts, active.stops, strict=True) for t in range(a, b)}
    busy |= set(entries.tokens.tolist())
    spans = zip(*grid.bounds(np.arange(len(grid))), strict=True)
    expected = [number for number, (a, b) in enumerate(spans) if not busy & set(range(a, b))]
    assert sought.everywhere().tolist() == sought.fresh(np.arange(len(grid))) == expected
