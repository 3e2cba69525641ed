"""What a study refuses before it computes anything."""

from __future__ import annotations

import pytest

from saesteer.errors import InputError
from saesteer.pipeline.study import StudyConfig, _short_names, study
from saesteer.text import Concept
from tests.steering import tiny

CONCEPT = Concept("sea", "The sea.", ("the sea", "a wet sea"), ("the cat", "a dog"))


def test_an_sae_of_another_hookpoint_than_the_config_is_refused(tmp_path):
    lm, sae = tiny.llama(), tiny.sae(hook_name="layers.2")
    with pytest.raises(InputError, match=r"trained at layers\.2 but is used at layers\.1, "):
        study(lm, sae, [CONCEPT], ["the cat"], "oracle", tmp_path, StudyConfig(at="layers.1"))
    assert not list(tmp_path.iterdir())


def test_two_concepts_of_one_name_are_refused(tmp_path):
    lm, sae = tiny.llama(), tiny.sae(hook_name="layers.1")
    with pytest.raises(InputError, match="two of these have one name"):
        study(lm, sae, [CONCEPT, CONCEPT], ["the cat"], "oracle", tmp_path, StudyConfig(at="layers.1"))


def test_files_are_told_apart_where_last_names_are_alike():
    assert _short_names(["a/x", "b/x", "c/y", "z"]) == ["a-x", "b-x", "y", "z"]
