"""A tiny model in a folder, as lm_eval loads it, and our model of it."""

import os
import warnings

os.environ["HF_DATASETS_OFFLINE"] = "1"

import pytest

with warnings.catch_warnings():  # of what lm_eval imports
    warnings.simplefilter("ignore")
    pytest.importorskip("lm_eval.models.huggingface")
    from saesteer.harness import command

    command.register()
    import saesteer.harness.guard
    import saesteer.harness.model  # noqa: F401

from saesteer.harness import Asked
from tests.steering import tiny


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    found, lm = tmp_path_factory.mktemp("models") / "tiny", tiny.llama()
    lm.hf.save_pretrained(found)
    lm.tokenizer.save_pretrained(found)
    return found


@pytest.fixture(scope="session")
def _model(folder):
    from saesteer.harness.model import SteeredLM

    return SteeredLM(str(folder), device="cpu", dtype="float32", batch_size=3)


@pytest.fixture
def model(_model):
    """Ours, unsteered, in batches of three."""
    _model.steer(Asked())
    yield _model
    _model.steer(Asked())
    assert tiny.hooks(_model.lm) == 0


@pytest.fixture(scope="session")
def plain(folder):
    """lm_eval's own."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(str(folder), device="cpu", dtype="float32", batch_size=3)
