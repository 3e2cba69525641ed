"""From sweeps to records: what is shown is what was measured, and texts are not picked for looks."""

from dataclasses import replace

import pytest

from saesteer.errors import InputError
from saesteer.evaluation import SweepResult, choose
from saesteer.evaluation import report as measure
from saesteer.report import Context, method_result

from .conftest import PROMPTS, made_rows


@pytest.fixture(scope="module")
def base() -> SweepResult:
    return SweepResult(tuple(made_rows("sea", "base", 0.06, 0.97, n=20)), {})


@pytest.fixture(scope="module")
def swept() -> SweepResult:
    rows = [
        row
        for variant, peak in (("latent 1", 1.2), ("latent 2", 0.3))
        for strength, coherence in ((0.2, 0.95), (0.4, 0.88), (0.6, 0.4))
        for row in made_rows("sea", "sae", peak * strength, coherence, strength=strength, variant=variant)
    ]
    return SweepResult(tuple(rows), {})


def built(swept, base, **options):
    return method_result(
        swept,
        base,
        label="SAE latent",
        role="steering",
        rows="rows.parquet",
        tried="tried.parquet",
        unit="residual_norm",
        **options,
    )


def test_the_outcome_is_the_measured_one(swept, base):
    result = built(swept, base)
    setting = choose(swept).setting
    assert setting is not None and setting.variant == "latent 1"
    assert result.outcome == measure(swept, setting, base)
    assert result.setting == "latent 1, 0.4 residual norms"


def test_where_less_is_wanted_the_lowest_is_built(swept, base):
    result = built(swept, base, aim="less")
    assert result.setting == "latent 2, 0.2 residual norms" and "lowest behaviour" in result.reason


def test_the_curve_is_the_chosen_variants_on_the_selection_half(swept, base):
    points = built(swept, base).points
    assert [point.strength for point in points] == [0.2, 0.4, 0.6]
    summaries = {
        each.setting.strength: each for each in swept.where(variant="latent 1", half="selection").summary
    }
    for point in points:
        assert point.behaviour == summaries[point.strength].figures.behaviour
        assert point.samples == 4 * 8


def test_texts_are_the_first_of_the_test_half(swept, base):
    pairs = built(swept, base, shown=2).pairs
    assert len(pairs) == 2
    test = {row.prompt for row in swept.rows if row.half == "test"}
    assert {pair.prompt for pair in pairs} <= test
    first = {
        row.prompt: row.behaviour for row in reversed(swept.where(variant="latent 1", strength=0.4).rows)
    }
    assert all(pair.behaviour == first[pair.prompt] for pair in pairs)


def test_a_prefix_is_shown_before_its_text_and_no_curve(base):
    rows = made_rows("sea", "prompting", 0.5, 0.95, variant="At sea. {prompt}")
    result = method_result(
        SweepResult(tuple(rows), {}),
        base,
        label="Prompting",
        role="prompting",
        rows="r.parquet",
        tried="t.parquet",
    )
    assert result.setting == "At sea. {prompt}" and result.points == ()
    assert {pair.prefixed for pair in result.pairs} <= {f"At sea. {prompt}" for prompt in PROMPTS}


def test_nothing_coherent_keeps_the_curve_and_the_reason(swept, base):
    result = built(swept, base, coherence=0.99)
    assert result.outcome is None and "0.99" in result.reason and len(result.points) == 3 and not result.pairs
    assert result.rows == "tried.parquet"  # the test half has no samples of it


def test_records_refuse_what_does_not_fit(report):
    with pytest.raises(InputError, match="2 tokens but 1 activations"):
        Context(("a", "b"), (1.0,))
    concept = report.concepts[0]
    with pytest.raises(InputError, match="a method twice"):
        replace(concept, methods=concept.methods * 2)
    with pytest.raises(InputError, match="at least one concept"):
        replace(report, concepts=())
