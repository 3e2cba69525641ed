"""Which latent stands for a concept."""

from dataclasses import replace

import pytest

from saesteer.concepts import choose_latents, conditioned_concepts, rank_latents
from saesteer.errors import InputError, UnknownName
from saesteer.text import Concept
from tests.latents.tiny import sae, sentences


def conditioned(condition):
    found = sae()
    found.cfg = replace(found.cfg, metadata={"training": {"condition": condition}})
    return found


SCAR = conditioned({"concepts": ["toxic", "insults"], "weight": 1.0})
BRIDE = Concept(
    "sets/bride",
    "",
    tuple(f"{text} bride" for text in sentences(20, 1)),
    tuple(f"{text} wave" for text in sentences(20, 2)),
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"concepts": ["a", "b"]}, ("a", "b")),
        ({"concepts": ["a"], "weight": 0.0}, ()),
        ({"concepts": []}, ()),
        ({"concepts": "ab"}, ()),
        (None, ()),
        ("toxic", ()),
        ({"concepts": ["a"] * 49}, ()),
    ],
)
def test_what_an_sae_was_conditioned_on(condition, expected):
    assert conditioned_concepts(conditioned(condition)) == expected
    assert conditioned_concepts(sae()) == ()


@pytest.mark.parametrize(
    ("name", "latent", "aside"), [("toxic", 0, 0), ("insults", 1, 0), ("world/insults", 1, 128)]
)
def test_a_conditioned_latent_comes_first(lm, name, latent, aside):
    found = choose_latents(lm, SCAR, name)
    assert found.latents == (latent,) and "was conditioned on" in found.reason
    assert len(found.aside) == aside


def test_else_the_best_by_half_of_the_texts(lm):
    found = choose_latents(lm, SCAR, BRIDE)
    assert len(found.aside) == 20 and {each.label for each in found.aside} == {"0", "1"}
    half, rest = BRIDE.split(0.5)
    assert found.latents == (rank_latents(lm, SCAR, half, evidence=0).best.latent,)
    assert {each.text for each in found.aside} == {*rest.positive, *rest.negative}
    few = Concept("few", "", BRIDE.positive[:5], BRIDE.negative[:5])
    assert choose_latents(lm, SCAR, few).aside == ()


def test_a_name_of_nothing(lm):
    with pytest.raises(
        UnknownName, match="unknown conditioned concept of this SAE 'insult'; did you mean 'insults'"
    ):
        choose_latents(lm, SCAR, "insult")
    with pytest.raises(InputError, match="was not conditioned on any concept and 'insult' has no texts"):
        choose_latents(lm, sae(), "insult")
