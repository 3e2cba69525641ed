"""The choice sees the selection half alone, the report the test half alone."""

import math
import random

import pytest

from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation import Setting, SweepResult, choose, report, split

PROMPTS = [f"p{i}" for i in range(8)]
HALVES = split(PROMPTS)


def swept(make_rows, table, n=6, method="diffmean"):
    """Rows by {strength: {half: (behaviour, coherence)}}."""
    rows = []
    for strength, halves in table.items():
        rows += make_rows({p: [halves[HALVES[p]]] * n for p in PROMPTS}, strength, method=method)
    return SweepResult(tuple(rows), {})


def both(behaviour, coherence):
    return {"selection": (behaviour, coherence), "test": (behaviour, coherence)}


def test_the_highest_behaviour_among_the_coherent_is_chosen(make_rows):
    found = swept(make_rows, {0.1: both(0.2, 0.95), 0.3: both(0.4, 0.81), 0.5: both(0.9, 0.79)})
    assert choose(found).setting == Setting("sea", "diffmean", "", 0.3)
    assert choose(found, 0.7).setting.strength == 0.5


def test_the_test_half_has_no_say(make_rows):
    tempting = {
        0.1: {"selection": (0.3, 0.9), "test": (0.1, 0.1)},
        0.2: {"selection": (0.2, 0.9), "test": (1.0, 1.0)},
    }
    found = swept(make_rows, tempting)
    choice = choose(found)
    assert choice.setting.strength == 0.1
    base = swept(make_rows, {0.0: both(0.05, 0.9)}, method="base")
    measured = report(found, choice.setting, base)
    assert measured.figures.behaviour.estimate == pytest.approx(0.1)
    assert measured.figures.coherence.estimate == pytest.approx(0.1)


def test_nothing_coherent_is_said_and_not_chosen(make_rows):
    choice = choose(swept(make_rows, {0.1: both(0.9, 0.5), 0.2: both(0.9, 0.6)}))
    assert choice.setting is None and "0.60 at strength 0.2" in choice.reason and len(choice.candidates) == 2


def test_of_equals_the_weakest(make_rows):
    found = swept(make_rows, {-0.5: both(0.4, 0.9), 0.2: both(0.4, 0.9), 0.4: both(0.4, 0.9)})
    assert choose(found).setting.strength == 0.2


def test_what_is_to_be_steered_away_is_chosen_by_the_lowest_behaviour(make_rows):
    found = swept(
        make_rows, {-2.0: both(0.1, 0.9), -1.0: both(0.1, 0.9), 1.0: both(0.6, 0.9), -5.0: both(0, 0.2)}
    )
    choice = choose(found, aim="less")
    assert choice.setting.strength == -1.0 and choice.reason.startswith("lowest behaviour of 3 settings")
    assert choose(found).setting.strength == 1.0
    with pytest.raises(InputError, match="aim is more or less of the behaviour, got 'lower'"):
        choose(found, aim="lower")


def test_failed_judgements_do_not_sway_the_choice(make_rows):
    rows = list(swept(make_rows, {0.1: both(0.2, 0.9), 0.2: both(0.3, 0.9)}).rows)
    rows += make_rows({p: [(None, None)] * 9 for p in PROMPTS}, 0.2, sample=99)
    assert choose(SweepResult(tuple(rows), {})).setting.strength == 0.2
    with pytest.raises(SaesteerError, match="no answer"):
        choose(SweepResult(tuple(row for row in rows if not row.ok), {}))


def test_one_concept_and_method_at_a_time(make_rows):
    one = swept(make_rows, {0.1: both(0.2, 0.9)})
    other = swept(make_rows, {0.1: both(0.2, 0.9)}, method="random")
    with pytest.raises(InputError, match="one concept and one method"):
        choose(SweepResult((*one.rows, *other.rows), {}))


def test_ratio_and_lift_of_known_rates(make_rows):
    found = swept(make_rows, {0.3: both(0.4, 0.9)})
    base = swept(make_rows, {0.0: both(0.05, 0.95)}, method="base")
    outcome = report(found, Setting("sea", "diffmean", "", 0.3), base)
    assert (outcome.ratio.low, outcome.ratio.estimate, outcome.ratio.high) == pytest.approx((8, 8, 8))
    assert outcome.lift.estimate == pytest.approx(0.35)
    assert outcome.figures.product.estimate == pytest.approx(0.36)
    assert outcome.base.behaviour.estimate == pytest.approx(0.05)


def test_a_base_that_never_shows_the_concept_gives_an_infinite_ratio(make_rows):
    found = swept(make_rows, {0.3: both(0.4, 0.9)})
    base = swept(make_rows, {0.0: both(0.0, 0.95)}, method="base")
    assert math.isinf(report(found, found.settings[0], base).ratio.low)


def test_intervals_hold_whole_prompts_together(make_rows):
    # Prompts differ and their samples do not: rows drawn one by one would look far too sure.
    rng = random.Random(0)
    own = {p: rng.random() for p in PROMPTS}
    rows = make_rows({p: [(own[p], 0.9)] * 50 for p in PROMPTS}, 0.3)
    found = SweepResult(tuple(rows), {})
    outcome = report(found, found.settings[0], SweepResult(tuple(make_rows({"q": [(0.1, 1.0)]})), {}))
    interval = outcome.figures.behaviour
    test = [own[p] for p in PROMPTS if HALVES[p] == "test"]
    assert outcome.figures.prompts == 4
    assert interval.high - interval.low > 0.8 * (max(test) - min(test)) / 2
    assert outcome.lift.high - outcome.lift.low == pytest.approx(interval.high - interval.low, rel=0.2)


def test_reports_need_test_rows_and_the_right_base(make_rows):
    found = swept(make_rows, {0.3: both(0.4, 0.9)})
    setting = found.settings[0]
    with pytest.raises(InputError, match="no samples in the test half"):
        report(found.where(half="selection"), setting, found)
    with pytest.raises(InputError, match="judged for 'sea'"):
        report(found, setting, make_rows({"p": [(0.1, 0.9)]}, concept="war"))
