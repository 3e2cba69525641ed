"""A compiled model passes hooks by without a word, so it is refused: before, steering then did nothing."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from saesteer.errors import InputError
from saesteer.model import LanguageModel
from tests.model.small import build, tokenizer


class Same:
    hookpoint = "layers.1"

    def __call__(self, x, at):
        return x


def test_what_torch_compile_made_is_no_model():
    with pytest.raises(InputError, match=r"torch\.compile made .*; give the model as it was before"):
        LanguageModel(torch.compile(build("llama"), backend="eager"), tokenizer())


@pytest.mark.parametrize(
    ("path", "said"), [("", "the model"), ("model", "model"), ("model.layers.1", "model.layers.1")]
)
def test_a_model_compiled_in_place(path, said):
    hf = deepcopy(build("llama"))
    lm = LanguageModel(hf, tokenizer())
    hf.get_submodule(path).compile(backend="eager")
    with pytest.raises(InputError, match=f"^{said} was compiled in place"), lm.intervening([Same()]):
        pass
    assert lm.hooks_installed() == 0


def test_a_part_beside_the_hookpoint_may_be_compiled():
    hf = deepcopy(build("llama"))
    hf.model.layers[2].compile(backend="eager")
    with LanguageModel(hf, tokenizer()).intervening([Same()]):
        pass
