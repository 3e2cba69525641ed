import pytest

from saesteer.model import load_model
from tests.latents.tiny import save_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def lm(model_folder):
    return load_model(model_folder)
