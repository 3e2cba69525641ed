"""Descent: what is kept is the best look, by seed and with no trace on other tensors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from saesteer.errors import InputError, SaesteerError
from saesteer.methods import finetune, lora, trained
from saesteer.methods.descent import Descent, best_of, descend, noted
from tests.methods.concepts import SEA
from tests.steering import tiny

HOW = Descent(steps=25, lr=0.1, batch=2, every=5)
GOALS = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])


def run(how=HOW, held_out=None, spoil=None):
    """Towards the mean of the goals, from 0; the parameter, the curve and the batches."""
    x, batches = torch.zeros(1, requires_grad=True), []

    def loss(numbers):
        batches.append(numbers)
        return (x - GOALS[numbers]).square().mean() * (spoil or 1.0)

    look = held_out or (lambda: float((x.detach() - 3).square()))
    curve = descend([x], torch.optim.Adam([x], lr=how.lr), loss, lambda: look(), len(GOALS), how)
    return x, curve, batches


def test_it_goes_down_and_says_how():
    x, curve, _ = run()
    assert [each.step for each in curve] == [0, 5, 10, 15, 20, 25]
    assert curve[0].loss is None and curve[0].held_out == 9.0 and curve[-1].held_out < 2.0
    assert float((x.detach() - 3).square()) == best_of(curve).held_out
    assert noted(curve)[0] == [0, None, 9.0] and x.grad is None


def test_the_best_look_is_kept_not_the_last():
    marks = iter([5.0, 4.0, 1.0, 2.0, 3.0, 4.0])
    x, curve, _ = run(held_out=lambda: next(marks))
    again, short, _ = run(replace(HOW, steps=10))
    assert best_of(curve).step == 10 and best_of(short).step == 10
    assert torch.equal(x, again)


def test_training_that_only_harms_is_undone():
    marks = iter([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    x, curve, _ = run(held_out=lambda: next(marks))
    assert best_of(curve).step == 0 and x.item() == 0.0


def test_every_example_comes_once_before_any_comes_again():
    _, _, batches = run()
    seen = [number for batch in batches for number in batch]
    assert all(sorted(seen[low : low + 5]) == [0, 1, 2, 3, 4] for low in range(0, 50, 5))
    assert batches == run()[2] != run(replace(HOW, seed=1))[2]


def test_a_last_look_stands_at_the_end():
    assert [each.step for each in run(replace(HOW, steps=7))[1]] == [0, 5, 7]


def test_a_loss_that_is_no_number_stops_it():
    with pytest.raises(SaesteerError, match="after 5 steps; lower lr"):
        run(spoil=float("nan"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("batch", 0),
        ("every", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("seed", -1),
        ("steps", True),
    ],
)
def test_settings_that_mean_nothing(field, value):
    with pytest.raises(InputError, match=field):
        replace(HOW, **{field: value})


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_a_caller_without_gradients_gets_the_same(off):
    lm = tiny.llama()
    plain = trained(lm, SEA, "layers.1", steps=3)
    with off():
        assert trained(lm, SEA, "layers.1", steps=3) == plain
        assert finetune(lm, SEA, steps=2).curve[-1].step == 2
        assert lora(lm, SEA, steps=2).curve[-1].step == 2
        assert not torch.is_grad_enabled()
