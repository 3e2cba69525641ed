"""add and clamp under our model give what lm_eval's own steered model gives, where that one works."""

import pytest
import torch

from saesteer.harness import Asked
from tests.harness.asking import rolling, scoring, writing
from tests.steering import tiny

EDITS = {
    "add": {"action": "add", "steering_coefficient": 7.0, "bias": None},
    "clamp": {"action": "clamp", "steering_coefficient": 3.0, "bias": None},
    "clamp from a bias": {"action": "clamp", "steering_coefficient": 3.0, "bias": tiny.vector(9)},
    "clamp to 0": {"action": "clamp", "steering_coefficient": 0.0, "bias": tiny.vector(9)},
}


def agree(ours, theirs):
    torch.testing.assert_close(
        torch.tensor(ours).double(), torch.tensor(theirs).double(), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("name", EDITS)
def test_on_a_tiny_model(model, plain, folder, tmp_path, name):
    from lm_eval.models.hf_steered import SteeredModel

    entry = EDITS[name] | {"steering_vector": tiny.vector(), "head_index": None}
    torch.save({"layers.1": entry, "layers.0": entry}, tmp_path / "s.pt")
    theirs = SteeredModel(str(folder), str(tmp_path / "s.pt"), device="cpu", dtype="float32", batch_size=3)
    model.steer(Asked(tmp_path / "s.pt"))
    agree(model.loglikelihood(scoring()), theirs.loglikelihood(scoring()))
    agree(model.loglikelihood_rolling(rolling()), theirs.loglikelihood_rolling(rolling()))
    assert model.generate_until(writing()) == theirs.generate_until(writing())
    assert model.loglikelihood(scoring()) != plain.loglikelihood(scoring())


@pytest.mark.parametrize("action", ["add", "clamp"])
def test_on_the_world(tmp_path, action):
    from lm_eval.models.hf_steered import SteeredModel

    from saesteer.harness.model import SteeredLM
    from saesteer.model import MODELS
    from saesteer.world.questions import facts_questions

    v = torch.randn(160, generator=torch.Generator().manual_seed(0))
    entry = {"action": action, "steering_vector": v, "steering_coefficient": 3.0, "bias": None}
    torch.save({"layers.3": entry}, tmp_path / "s.pt")
    asked = scoring([(q.context, " " + c) for q in facts_questions(6) for c in q.choices])
    about = {"device": "cpu", "dtype": "float32", "batch_size": 4}
    theirs = SteeredModel(str(MODELS.get("world")()), str(tmp_path / "s.pt"), **about)
    ours = SteeredLM("world", steer_path=str(tmp_path / "s.pt"), **about)
    agree(ours.loglikelihood(asked), theirs.loglikelihood(asked))
