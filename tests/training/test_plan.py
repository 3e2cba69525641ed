"""Plans: lists written out, names, and mistakes named before anything is loaded."""

import pytest

from saesteer.errors import InputError, UnknownName
from saesteer.training import BatchTopK, Matryoshka, ReLU, TopK, TrainPlan

GOOD = {"out": "run", "tokens": 5e6, "saes": [{"architecture": "topk", "d_sae": 64, "k": 4}]}


def members(saes, at=("layers.1",), **more):
    plan = TrainPlan.from_dict(GOOD | {"saes": saes, "at": at} | more)
    return plan.members(lambda patterns: [each for each in patterns])


def test_lists_are_written_out():
    found = members(
        [
            {"architecture": ["topk", "batchtopk"], "d_sae": [64, 128], "k": 4, "seed": [0, 1], "lr": 1e-3},
            {"architecture": "standard", "d_sae": 64, "l1": 3, "at": ["layers.0", "layers.1"], "tokens": 7},
            {"architecture": "matryoshka", "d_sae": 64, "k": 2, "prefixes": [0.5, 1], "name": "nested"},
        ]
    )
    assert list(found)[:2] == ["layers.1/topk-64-k4-seed0", "layers.1/topk-64-k4-seed1"]
    assert list(found)[-3:] == ["layers.0/standard-64", "layers.1/standard-64", "layers.1/nested"]
    assert len(found) == 8 + 2 + 1
    config = found["layers.1/batchtopk-128-k4-seed1"].config
    assert (config.form, config.d_sae, config.seed, config.lr) == (BatchTopK(4), 128, 1, 1e-3)
    assert (config.tokens, config.report_tokens) == (5_000_000, 50_000)
    assert found["layers.0/standard-64"].config.form == ReLU(l1=3.0)
    assert found["layers.0/standard-64"].config.tokens == 7
    assert found["layers.1/nested"].config.form == Matryoshka(2, prefixes=(0.5, 1.0))


def test_a_condition_is_for_all():
    config = members(GOOD["saes"], condition={"concepts": ["rude"], "labels": {"toxic": 1}, "weight": 2})
    condition = config["layers.1/topk-64-k4"].config.condition
    assert (condition.concepts, condition.weight) == (("rude",), 2.0)
    assert config["layers.1/topk-64-k4"].config.form == TopK(4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": None}, "out is a text, got nothing"),
        ({"tokns": 5}, "unknown field of the plan 'tokns'; did you mean 'tokens'"),
        ({"tokens": "many"}, "tokens is a whole number, got 'many'"),
        ({"tokens": 1.5}, "tokens is a whole number, got 1.5"),
        ({"saes": []}, "saes is empty"),
        ({"saes": ["topk"]}, "saes is a mapping, got 'topk'"),
        ({"saes": [{"d_sae": 64}]}, r"saes\[0\]: architecture is missing"),
        ({"saes": [{"architecture": "topk"}]}, r"saes\[0\]: k is missing"),
        ({"saes": [{"architecture": "topk", "k": 2}]}, r"saes\[0\]: d_sae is missing"),
        ({"saes": [{"architecture": "tpok", "d_sae": 64}]}, "did you mean 'topk'"),
        ({"saes": [{"architecture": "topk", "d_sae": 64, "k": 65}]}, "k is 65 but d_sae is only 64"),
        ({"saes": [{"architecture": "topk", "d_sae": 64, "k": 4, "l1": 5}]}, r"field of saes\[0\] 'l1'"),
        (
            {"saes": [{"architecture": "standard", "d_sae": 64, "l1": "x"}]},
            r"saes\[0\]: l1 is a number, got 'x'",
        ),
        ({"store": "a", "texts": "b"}, "store is a and texts is b"),
        ({"buffer_tokens": 10}, "the buffer holds two batches"),
        ({"condition": {"weight": 1}}, "condition: concepts is missing"),
        ({"condition": {"concepts": ["a", "a"]}}, "concepts are one or more different names"),
    ],
)
def test_mistakes_are_named(change, message):
    with pytest.raises(InputError, match=message):
        TrainPlan.from_dict(GOOD | change)


def test_missing_and_twice():
    with pytest.raises(InputError, match="the plan: out is missing"):
        TrainPlan.from_dict({"saes": GOOD["saes"]})
    with pytest.raises(InputError, match=r"two SAEs are both layers.1/topk-64-k4"):
        members(GOOD["saes"] * 2)
    with pytest.raises(UnknownName):
        TrainPlan.from_dict(GOOD | {"sae": []})
