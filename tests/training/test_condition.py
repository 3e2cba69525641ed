"""SCAR's loss: gradients by autograd, labels of every kind, the weight of positives, weight 0."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from saesteer.errors import InputError, ShapeMismatch
from saesteer.training import Condition, Gated, JumpReLU, TopK, TrainConfig, train_sae
from saesteer.training.forms import Now
from saesteer.training.normalise import layer_norm
from saesteer.training.tensors import Tensors
from tests.training.forms.dense import normal, some, tensors


def labels(n: int, concepts: int) -> torch.Tensor:
    """Hard, soft and missing ones."""
    soft = torch.rand(n, concepts, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    hard = torch.where(soft > 0.6, soft.round(), soft)
    return hard.masked_fill(soft < 0.3, math.nan)


def naive(p, x, y, condition: Condition) -> torch.Tensor:
    h = (x - p.b_dec) @ p.encoder.T + p.b_enc
    total = x.new_zeros(())
    for concept in range(len(condition.concepts)):
        known = ~y[:, concept].isnan()
        total = total + F.binary_cross_entropy_with_logits(
            h[known, concept],
            y[known, concept],
            pos_weight=torch.tensor(condition.positive_weight, dtype=torch.float64),
        )
    return total


@pytest.mark.parametrize("concepts", [("a",), ("a", "b", "c")])
@pytest.mark.parametrize("positive_weight", [1.0, 7.0, 0.0])
def test_gradients(concepts, positive_weight):
    condition = Condition(concepts, weight=0.3, positive_weight=positive_weight)
    p, x, y = tensors(24, 7), normal(50, 7, seed=9), labels(50, len(concepts))
    p.encoder.mul_(0.1)
    leaves = Tensors(**{name: each.clone().requires_grad_() for name, each in p.named().items()})
    loss = naive(leaves, x, y, condition)
    (0.3 * loss).backward()
    gradients = Tensors(**{name: torch.zeros_like(each) for name, each in p.named().items()})
    torch.testing.assert_close(condition.add(gradients, p, x, y), loss.detach())
    for name, each in gradients.named().items():
        expected = getattr(leaves, name).grad
        torch.testing.assert_close(each, torch.zeros_like(each) if expected is None else expected)


@pytest.mark.parametrize("form", [TopK(4), Gated(), JumpReLU()])
def test_positives_do_not_weigh_in_the_reconstruction(form):
    """What the reference does by accident."""
    p, x, y = form.start(tensors(24, 7)), normal(50, 7, seed=9), labels(50, 1)
    found = []
    for positive_weight in (1.0, 50.0):
        step = form.step(p, x, Now(some(24, 0.0)))
        Condition(("a",), positive_weight=positive_weight).add(step.gradients, p, x, y)
        found.append(step.gradients)
    for name in found[0].named():
        one, two = getattr(found[0], name), getattr(found[1], name)
        if name == "b_dec":  # through the encoder's input alone
            assert not torch.equal(one, two)
        else:
            assert torch.equal(one[1:], two[1:]), name
    assert torch.equal(found[0].decoder, found[1].decoder)
    assert not torch.equal(found[0].encoder[0], found[1].encoder[0])


def test_without_labels_nothing_is_added():
    p, x = tensors(24, 7), normal(50, 7, seed=9)
    gradients = Tensors(**{name: torch.zeros_like(each) for name, each in p.named().items()})
    loss = Condition(("a",)).add(gradients, p, x, torch.full((50, 1), math.nan))
    assert float(loss) == 0 and all(not each.any() for each in gradients.named().values())


def test_weight_zero_is_the_plain_sae():
    x = [normal(64, 7, seed=i).float() for i in range(20)]
    config = TrainConfig(d_sae=24, k=3, tokens=20 * 64)
    plain = train_sae(x, config)
    from saesteer.latents import ActivationBatch
    from saesteer.training import Member, train_saes

    batches = [ActivationBatch({"a": each}, labels(64, 1).float()) for each in x]
    none = TrainConfig(d_sae=24, k=3, tokens=20 * 64, condition=Condition(("a",), weight=0.0))
    found = train_saes(batches, {"x": Member("a", none)})["x"]
    assert found.sae.fingerprint() == plain.sae.fingerprint()
    assert found.metrics[-1].condition > 0


def test_scars_normalisation_is_that_of_the_saved_sae():
    """Every token by its own mean and deviation; the error is that of the activations as they come."""
    draw = torch.Generator().manual_seed(0)
    rows = F.normalize(torch.randn(20, 16, generator=draw), dim=-1)

    def batch(seed: int) -> torch.Tensor:
        draw = torch.Generator().manual_seed(seed)
        chosen = torch.rand(128, 20, generator=draw).topk(2).indices
        length = 1 + 9 * torch.rand(128, 1, generator=draw)
        return length * rows[chosen].sum(1) + 3 * torch.randn(128, 1, generator=draw)

    config = TrainConfig(
        d_sae=40, k=2, tokens=128 * 600, lr=3e-3, dead_after_tokens=5000, normalize_activations="layer_norm"
    )
    result = train_sae((batch(i) for i in range(700)), config)
    assert result.sae.cfg.normalize_activations == "layer_norm"
    x = batch(10_000)
    error = (result.sae(x) - x).square().sum()
    centred = x - x.mean(-1, keepdim=True)
    assert error / (centred - centred.mean(0)).square().sum() < 0.1
    normalised, weights = layer_norm(x)
    torch.testing.assert_close(normalised.std(-1), torch.ones(128), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(weights[:, 0].sqrt(), x.std(-1))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (None, ShapeMismatch, "for the concepts a, b, got none"),
        (torch.zeros(50, 1), ShapeMismatch, r"\[50, 2\] for the concepts a, b, got \[50, 1\]"),
        (torch.full((50, 2), 1.5), InputError, "labels are from 0 to 1"),
    ],
)
def test_labels_that_do_not_fit(given, error, message):
    p, x = tensors(24, 7), normal(50, 7, seed=9)
    with pytest.raises(error, match=message):
        Condition(("a", "b")).add(p, p, x, given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"concepts": ()}, "one or more different names"),
        ({"concepts": ("a",), "weight": -1.0}, "weight is 0 or more"),
        ({"concepts": ("a",), "positive_weight": math.inf}, "positive_weight is 0 or more"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        Condition(**settings)
