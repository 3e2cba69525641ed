"""The tiny models of this room."""

from __future__ import annotations

import pytest

from saesteer.model import LanguageModel
from saesteer.saes import SAE
from tests.steering import tiny


@pytest.fixture(scope="session")
def lm() -> LanguageModel:
    return tiny.llama()


@pytest.fixture(scope="session")
def gpt2() -> LanguageModel:
    return tiny.gpt2()


@pytest.fixture(scope="session")
def sae() -> SAE:
    return tiny.sae()
