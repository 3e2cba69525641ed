"""Small models and rows of tokens."""

from __future__ import annotations

import pytest
import torch

from saesteer.model import LanguageModel, Tokens
from tests.model.small import CONFIGS, PRECISIONS, VOCABULARY, language_model


@pytest.fixture(params=CONFIGS)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    """Each family in turn."""
    return language_model(request.param)


@pytest.fixture(
    params=[(n, a, d) for n in CONFIGS for a in ("eager", "sdpa") for d in PRECISIONS], ids="-".join
)
def any_lm(request: pytest.FixtureRequest) -> LanguageModel:
    """Each family with either attention and in either precision."""
    return language_model(*request.param)


@pytest.fixture
def llama() -> LanguageModel:
    return language_model("llama")


@pytest.fixture
def gpt2() -> LanguageModel:
    """pad = eos = bos."""
    return language_model("gpt2")


@pytest.fixture
def rows() -> list[list[int]]:
    draw = torch.Generator().manual_seed(3)
    return [torch.randint(4, VOCABULARY, (length,), generator=draw).tolist() for length in (7, 3, 9, 5)]


@pytest.fixture
def tokens(rows: list[list[int]]) -> Tokens:
    return Tokens.of(rows)
