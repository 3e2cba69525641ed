"""Calibrations whose answer is known: the toy's dose-response is a formula."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from saesteer.calibration import Calibration, NoStrengthWorks, Verdict, calibrate
from saesteer.calibration.calibrate import TEXTS
from saesteer.errors import CorruptFile, InputError, SaesteerError, UnknownName
from saesteer.evaluation import divergences, split
from saesteer.saes import SAEConfig, TopKSAE
from saesteer.steering import SAERef, Strength, TensorRef, Where, steer

from . import toy
from .toy import CONCEPT, PROMPTS, ToyJudge, exact

OPTIONS = {"prompts": PROMPTS, "max_new_tokens": 12, "n": 4}
STRENGTHS = np.geomspace(0.05, 400, 4000)


@pytest.fixture(scope="module")
def tokenizer():
    return toy.tokenizer()


@pytest.fixture(scope="module")
def lm(tokenizer):
    return toy.model(tokenizer)


@pytest.fixture(scope="module")
def found(lm) -> Calibration:
    return calibrate(lm, toy.spec(), CONCEPT, ToyJudge(), {"coherence": 0.9}, **OPTIONS)


def best_behaviour(floor: float) -> float:
    return max(behaviour for behaviour, coherence in map(exact, STRENGTHS) if coherence >= floor)


def test_the_toy_is_what_its_formula_says(lm):
    for strength in (0.0, 3.0, 20.0):
        with steer(lm, toy.spec().with_strength(strength)):
            p = lm.logits(lm.tokenize(["one two"]))[0, -1].softmax(-1)
        assert (float(p[15:].sum()), 1 - float(p[14])) == pytest.approx(exact(strength), abs=1e-4)


def test_the_known_optimum_is_found(found):
    assert found.verdict.works and found.unit == "raw"
    behaviour, coherence = exact(found.strength.estimate)
    assert behaviour > 0.95 * best_behaviour(0.9) and coherence > 0.87
    assert found.strength.low <= found.strength.estimate <= found.strength.high


def test_the_curve_is_the_dose_response(found):
    assert len(found.curve) >= 8
    assert [p.strength for p in found.curve] == sorted(p.strength for p in found.curve)
    for point in found.curve:
        behaviour, coherence = exact(point.strength)
        samples = point.figures.samples * 12
        assert point.figures.behaviour.estimate == pytest.approx(behaviour, abs=4 * (0.25 / samples) ** 0.5)
        assert point.figures.coherence.estimate == pytest.approx(coherence, abs=4 * (0.25 / samples) ** 0.5)
    strongest, weakest = found.curve[-1], found.curve[0]
    assert exact(strongest.strength)[1] < 0.7 and exact(weakest.strength)[0] < 0.2 * best_behaviour(0)


def test_the_budget_is_never_broken_on_the_selection_half(lm, found):
    assert found.point.figures.coherence.estimate >= 0.9 and not found.point.broken
    for seed in range(3):
        again = calibrate(
            lm,
            toy.spec(),
            CONCEPT,
            ToyJudge(),
            {"coherence": 0.85, "kl": 0.4, "residual_norm": 0.9},
            seed=seed,
            rounds=1,
            **OPTIONS,
        )
        (far,) = divergences(lm, toy.spec(), [again.strength.estimate], CONCEPT.negative[:TEXTS])
        assert again.point.figures.coherence.estimate >= 0.85 and far.kl <= 0.4 and far.moved <= 0.9
        rows = [r for r in again.rows if r.half == "selection" and r.strength == again.strength.estimate]
        assert sum(row.coherence for row in rows) / len(rows) >= 0.85


def test_the_window_holds_the_budget_and_has_an_effect(found):
    low, high = found.window
    assert low <= found.strength.estimate <= high
    inside = [each for each in found.curve if low <= each.strength <= high]
    assert all(each.safe for each in inside)
    outside = [each for each in found.curve if each not in inside]
    assert any("coherence" in each.broken for each in outside) and any(not each.effective for each in outside)
    assert exact(low)[0] > exact(0)[0]


def test_it_is_reported_on_the_other_half(found):
    halves = split(PROMPTS)
    chosen = [row for row in found.rows if row.strength == found.strength.estimate and row.half == "test"]
    assert len(chosen) == found.outcome.figures.samples == 8 * sum(half == "test" for half in halves.values())
    others = {row.strength for row in found.rows if row.half == "test"} - {found.strength.estimate}
    assert others == {0.0}
    assert found.outcome.lift.low > 0


def test_equal_seeds_equal_results_and_others_not(lm, found):
    assert calibrate(lm, toy.spec(), CONCEPT, ToyJudge(), {"coherence": 0.9}, **OPTIONS) == found
    other = calibrate(lm, toy.spec(), CONCEPT, ToyJudge(), {"coherence": 0.9}, seed=1, **OPTIONS)
    assert [row.text for row in other.rows] != [row.text for row in found.rows]
    assert exact(other.strength.estimate)[0] == pytest.approx(exact(found.strength.estimate)[0], abs=0.05)


def test_the_spec_is_at_the_strength_and_says_why(found, lm):
    (each,) = found.spec.interventions
    assert each.strength.plain == found.strength.estimate
    noted = found.spec.provenance["calibrated"]
    assert noted["budget"] == {"coherence": 0.9} and noted["seed"] == 0
    with steer(lm, found.spec):
        assert lm.logits(lm.tokenize(["one"])).isfinite().all()


def test_another_unit_gives_the_same_answer(lm, found):
    spec = toy.spec().with_strength(1.0, "residual_norm")
    other = calibrate(lm, spec, CONCEPT, ToyJudge(), {"coherence": 0.9}, **OPTIONS)
    assert other.unit == "residual_norm"
    assert other.point.raw == pytest.approx(toy.LENGTH * other.strength.estimate, rel=1e-3)
    assert other.spec.interventions[0].strength.resolved == pytest.approx(other.point.raw)
    assert exact(other.point.raw)[0] > 0.95 * best_behaviour(0.9)


def test_the_other_way_round(lm):
    """Along the opposite direction with negative strengths: the same optimum."""
    turned = replace(toy.spec(), tensors={"v": TensorRef.of(-toy.spec().tensors["v"].value)})
    found = calibrate(lm, turned, CONCEPT, ToyJudge(), {"coherence": 0.9}, sign=-1, goal="raise", **OPTIONS)
    assert found.strength.high < 0 and found.strength.low <= found.strength.estimate <= found.strength.high
    assert exact(-found.strength.estimate)[0] > 0.95 * best_behaviour(0.9)


def test_a_concept_is_lowered(lm):
    """Away from the sea: the least behaviour, as far as KL allows."""
    found = calibrate(lm, toy.spec(), CONCEPT, ToyJudge(), {"kl": 0.3}, sign=-1, **OPTIONS)
    assert found.verdict.works and found.strength.estimate < 0
    assert exact(found.strength.estimate)[0] < 0.6 * exact(0)[0]
    assert found.point.lift.high < 0 and found.point.kl.estimate <= 0.3


# Budgets without a judge


@pytest.mark.parametrize(
    ("limit", "value"), [("kl", 0.2), ("nats", 0.1), ("added_perplexity", 0.2), ("residual_norm", 0.5)]
)
def test_without_a_judge_the_largest_within_the_budget(lm, limit, value):
    found = calibrate(lm, toy.spec(), CONCEPT, None, {limit: value})
    (far, more) = divergences(
        lm, toy.spec(), [found.strength.estimate, 1.03 * found.strength.estimate], CONCEPT.negative[:TEXTS]
    )
    cost = {
        "kl": lambda d: d.kl, "nats": lambda d: d.nats,
        "added_perplexity": lambda d: math.exp(d.nats) - 1, "residual_norm": lambda d: d.moved,
    }[limit]  # fmt: skip
    assert cost(far) <= value < cost(more)
    assert found.strength.low <= found.strength.estimate <= found.strength.high
    assert found.window[1] == found.strength.estimate and not found.rows and found.outcome is None
    assert found.verdict == Verdict("unjudged", found.verdict.reason)
    assert "nobody judged" in found.verdict.reason and found.verdict.works
    assert found.spec.provenance["calibrated"]["verdict"] == "unjudged"


def test_without_a_judge_a_budget_that_lets_nothing_through_is_said(lm):
    found = calibrate(lm, toy.spec(), CONCEPT, None, {"kl": 1e-5})
    assert found.window is None and "the model hardly moves within this budget" in found.warnings[-1]


def test_with_a_judge_the_tightest_limit_decides(lm, found):
    tight = calibrate(lm, toy.spec(), CONCEPT, ToyJudge(), {"coherence": 0.9, "kl": 0.1}, **OPTIONS)
    assert tight.strength.estimate < found.strength.estimate and tight.point.kl.estimate <= 0.1
    assert any(each.broken == ("kl",) for each in tight.curve)


# Where no strength works


def warned(*given, **options) -> Calibration:
    with pytest.warns(NoStrengthWorks, match="no strength works"):
        found = calibrate(*given, **OPTIONS, **options)
    assert found.strength is None and found.window is None and found.outcome is None
    assert all(each.strength.value == 0 for each in found.spec.interventions)
    return found


def test_a_direction_that_does_nothing(lm):
    """Along the activation itself: the norm takes it out again."""
    judge = ToyJudge()
    found = warned(lm, toy.spec(axis=0), CONCEPT, judge)
    assert found.verdict.kind == "inert" and "stay as they are" in found.verdict.reason
    assert judge.judged == 0 and found.curve and all(each.figures is None for each in found.curve)


def test_a_direction_that_does_something_else(tokenizer):
    """All that it brings out is the bell."""
    apart = toy.model(tokenizer, {"number": 0.0, "sea": -90.0, "bell": 90.0})
    found = warned(apart, toy.spec(), CONCEPT, ToyJudge())
    assert found.verdict.kind == "inert" and "does not move the concept" in found.verdict.reason
    assert found.curve[-1].kl.estimate > 0.5


def test_coherence_that_collapses_first(tokenizer):
    """The bell comes before the sea."""
    angles = {"number": 0.0, "bell": 60.0, "sea": 120.0}
    found = warned(toy.model(tokenizer, angles), toy.spec(), CONCEPT, ToyJudge(), {"coherence": 0.95})
    assert found.verdict.kind == "coherence" and "coherence collapses first" in found.verdict.reason
    assert any(each.effective and each.broken == ("coherence",) for each in found.curve)


def test_a_budget_that_is_too_small(lm):
    found = warned(lm, toy.spec(), CONCEPT, ToyJudge(), {"kl": 1e-4})
    assert found.verdict.kind == "budget" and "kl is beyond its limit" in found.verdict.reason
    assert any(each.effective for each in found.curve)


def test_a_plain_model_that_is_not_coherent_enough(tokenizer):
    angles = {"number": 90.0, "bell": 0.0, "sea": -90.0}
    found = warned(toy.model(tokenizer, angles), toy.spec(), CONCEPT, ToyJudge(), {"coherence": 0.9})
    assert found.verdict.kind == "budget" and "the plain model's own coherence" in found.verdict.reason


def test_what_the_other_half_does_not_confirm_does_not_work(found):
    from saesteer.calibration.verdict import by_chance

    chosen, lift = found.strength.estimate, found.outcome.lift
    assert by_chance(found.curve, chosen, found.outcome, "raise") is None
    assert by_chance(found.curve, chosen, found.outcome, "lower").kind == "inert"
    flat = replace(found.outcome, lift=replace(lift, low=-0.01))
    told = by_chance(found.curve, chosen, flat, "raise")
    assert told.kind == "inert" and "is not confirmed by the other prompts" in told.reason
    assert by_chance(found.curve, chosen, None, "raise") is None


def test_an_effect_on_the_prompts_it_was_chosen_by_alone_does_not_work(lm):
    """The judge sees the sea behind the prompts of one half only."""
    halves = split(PROMPTS)

    class Half(ToyJudge):
        def judge(self, requests):
            found = super().judge(requests)
            seen = [halves[each.prompt] == "selection" for each in requests]
            return [
                each if yes else replace(each, behaviour=0.0) for each, yes in zip(found, seen, strict=True)
            ]

    with pytest.warns(NoStrengthWorks, match="is not confirmed by the other prompts"):
        found = calibrate(lm, toy.spec(), CONCEPT, Half(), {"coherence": 0.9}, rounds=0, **OPTIONS)
    assert found.verdict.kind == "inert" and found.strength is None and found.window is None
    assert any(each.safe for each in found.curve) and found.outcome.figures.behaviour.estimate == 0


def test_what_few_texts_cannot_tell_is_said(found):
    """An effect within the budget that is not clear yet is no collapse of coherence."""
    from saesteer.calibration.verdict import _not_yet

    unclear = tuple(replace(each, effective=False) for each in found.curve)
    assert "do not tell from the plain model's: give more prompts" in _not_yet(unclear, "raise")
    assert f"at {found.strength.estimate:.3g}, within the budget" in _not_yet(unclear, "raise")
    assert _not_yet([each for each in unclear if each.broken], "raise") == ""


def test_a_concept_that_is_not_in_the_latents(tokenizer):
    """The SAE's latent is silent on the concept's texts, and what it writes is the bell."""
    apart = toy.model(tokenizer, {"number": 0.0, "sea": -90.0, "bell": 90.0})
    tensors = {
        "W_enc": torch.zeros(toy.WIDTH, 4), "W_dec": torch.eye(toy.WIDTH)[:4],
        "b_enc": torch.full((4,), -1.0), "b_dec": torch.zeros(toy.WIDTH),
    }  # fmt: skip
    sae = TopKSAE(SAEConfig("topk", toy.WIDTH, 4, hook_name="layers.0", k=2), tensors)
    spec = replace(
        toy.spec(),
        tensors={"v": TensorRef(sae="s", latents=((1, 1.0),))},
        saes={"s": SAERef(None, sae.fingerprint())},
    )
    found = warned(apart, spec, CONCEPT, ToyJudge(), saes={"s": sae})
    assert found.verdict.kind == "not in SAE"
    assert (
        "latent 1 of the spec is never active on the concept's texts; no latent of this SAE does"
        in found.verdict.reason
    )


# Files, and work that is broken off


def test_saved_and_loaded_is_the_same(found, tmp_path):
    loaded = Calibration.load(found.save(tmp_path / "fit"))
    assert loaded == found and loaded.summary == found.summary
    frame = loaded.to_pandas()
    assert list(frame["strength"]) == [each.strength for each in found.curve]
    assert "raw" in found._repr_html_()
    rows = tmp_path / "fit" / "rows.parquet"
    rows.write_bytes(rows.read_bytes() + b"x")
    with pytest.raises(CorruptFile, match="was changed"):
        Calibration.load(tmp_path / "fit")


def test_infinite_figures_survive_a_file(found, tmp_path):
    ends = replace(found.outcome.ratio, high=math.inf)
    odd = replace(found, outcome=replace(found.outcome, ratio=ends))
    assert Calibration.load(odd.save(tmp_path)).outcome.ratio.high == math.inf


def test_a_killed_calibration_goes_on_where_it_stood(lm, found, tmp_path):
    steps = []

    def killed(what, done, total):
        steps.append(what)
        if what == "net 2":
            raise KeyboardInterrupt

    def run(judge, progress=None):
        return calibrate(
            lm, toy.spec(), CONCEPT, judge, {"coherence": 0.9}, folder=tmp_path, progress=progress, **OPTIONS
        )

    with pytest.raises(KeyboardInterrupt):
        run(ToyJudge(), killed)
    first, second, third = ToyJudge(), ToyJudge(), ToyJudge()
    resumed = run(second)
    assert run(third) == resumed and third.judged == 0
    whole = calibrate(lm, toy.spec(), CONCEPT, first, {"coherence": 0.9}, **OPTIONS)
    assert whole == resumed == found and 0 < second.judged < first.judged


# What cannot be meant


@pytest.mark.parametrize(
    ("judge", "budget", "options", "told"),
    [
        (None, {"coherence": 0.8}, {}, "a budget of coherence needs a judge"),
        (None, {"coherence": 0.8, "kl": 1.0}, {}, "nobody judges coherence without a judge"),
        (None, None, {}, "a budget has one limit or more"),
        (ToyJudge(), {"kl": -1.0}, {}, "a budget of kl is a number greater than 0"),
        (ToyJudge(), {"coherence": 1.2}, {}, "a budget of coherence is a number between 0 and 1"),
        (ToyJudge(), None, {"sign": 2}, "sign is 1 or -1"),
        (ToyJudge(), None, {"goal": "up"}, "goal is 'raise' or 'lower'"),
    ],
)
def test_bad_input(lm, judge, budget, options, told):
    with pytest.raises(InputError, match=told):
        calibrate(lm, toy.spec(), CONCEPT, judge, budget, **OPTIONS, **options)


def test_a_limit_that_there_is_not(lm):
    with pytest.raises(UnknownName, match="did you mean 'coherence'"):
        calibrate(lm, toy.spec(), CONCEPT, ToyJudge(), {"coherenc": 0.8}, **OPTIONS)


def test_interventions_of_different_strengths_have_no_one_strength(lm):
    each = toy.spec().interventions[0]
    two = replace(toy.spec(), interventions=(each, each.with_strength(2.0)))
    with pytest.raises(InputError, match="the interventions have 1 raw and 2 raw"):
        calibrate(lm, two, CONCEPT, ToyJudge(), **OPTIONS)


def test_one_prompt_has_no_test_half(lm):
    with warnings.catch_warnings():
        found = calibrate(lm, toy.spec(), CONCEPT, ToyJudge(), prompts=("one two",), n=12, max_new_tokens=12)
    assert found.verdict.works and found.outcome is None
    assert any("there is no test half" in each for each in found.warnings)


def test_a_spec_in_kl_is_calibrated_in_raw(lm):
    spec = toy.spec()
    spec = replace(spec, interventions=(replace(spec.interventions[0], strength=Strength(0.2, "kl", 3.0)),))
    found = calibrate(lm, spec, CONCEPT, None, {"kl": 0.2})
    assert found.unit == "raw" and found.strength.estimate > 0


def test_where_it_acts_is_kept(lm):
    spec = toy.spec()
    late = replace(spec, interventions=(replace(spec.interventions[0], where=Where("generated")),))
    found = calibrate(lm, late, CONCEPT, None, {"kl": 0.2})
    assert found.spec.interventions[0].where == Where("generated") and found.verdict.works


def test_a_save_that_fails_leaves_the_older_one_whole(found, tmp_path, monkeypatch):
    found.save(tmp_path)
    monkeypatch.setattr("saesteer.calibration.result.write_json", _full)
    with pytest.raises(SaesteerError, match="full"):
        replace(found, rows=found.rows[:-1]).save(tmp_path)
    assert Calibration.load(tmp_path) == found


def _full(*_: object) -> None:
    raise SaesteerError("the disk is full")


@pytest.mark.parametrize("name", ["rows.parquet", "spec.yaml"])
def test_a_folder_without_one_of_its_files_is_no_calibration(found, tmp_path, name):
    found.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(CorruptFile, match=f"{name} is not there; calibrate again"):
        Calibration.load(tmp_path)
