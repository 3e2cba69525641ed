import pytest

from saesteer.model import load_model
from tests.latents.tiny import save_model


@pytest.fixture(scope="session")
def lm(tmp_path_factory):
    return load_model(save_model(tmp_path_factory.mktemp("model")))
