"""The intervals of the page of effects are those of its figures."""

import numpy as np
import pytest
import torch

from saesteer.effects import Chunk, accuracy
from scripts.measure_effects import FIGURES, compared, intervals
from tests.effects.linear import truth

KNOWN = truth(n=120, noise=1.5)
KINDS = ["decoder", "random"] * 60


def test_every_figure_lies_in_its_interval():
    chunk = Chunk(KNOWN.x, KNOWN.y)
    found = compared(KNOWN.approximator, chunk, KINDS)
    assert [each["kind"] for each in found] == ["all", "decoder", "random"]
    for each, told in zip(found, accuracy(KNOWN.approximator, [chunk], KINDS), strict=True):
        for name in FIGURES:
            low, high = each["intervals"][name]
            assert each[name] == told.summary[name] and low <= each[name] <= high
    widths = [np.ptp(each["intervals"]["pooled_r2"]) for each in found]
    assert 0 < widths[0] < min(widths[1:])


def test_one_draw_of_each_vector_is_the_figure_itself(monkeypatch):
    import scripts.measure_effects as script

    def once(statistic, strata):
        assert sorted(set(strata)) == [0, 1]
        return [type("End", (), {"low": v, "high": v}) for v in statistic(np.ones((1, len(strata))))[0]]

    monkeypatch.setattr(script, "bootstrap_weights", once)
    (told, *_) = accuracy(KNOWN.approximator, [Chunk(KNOWN.x, KNOWN.y)], KINDS)
    found = intervals(KNOWN.approximator.predict(KNOWN.x), KNOWN.y, KINDS)
    for name in FIGURES:
        assert found[name][0] == pytest.approx(told.summary[name], abs=1e-5)


def test_a_latent_that_does_not_vary_has_no_say():
    silent = torch.cat([KNOWN.y, torch.full((120, 40), 0.3)], 1)
    predicted = KNOWN.approximator.predict(KNOWN.x)
    told = torch.cat([predicted, torch.zeros(120, 40)], 1)
    found, plain = intervals(told, silent, KINDS), intervals(predicted, KNOWN.y, KINDS)
    assert found["pooled_r2"] == pytest.approx(plain["pooled_r2"])
