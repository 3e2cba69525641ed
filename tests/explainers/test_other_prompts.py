"""Explainers with other prompts: the single word, the contrast."""

import asyncio
from dataclasses import replace

import pytest

from saesteer.explainers import EXPLAINERS, Explainer
from saesteer.explainers.contrastive import Contrastive
from saesteer.explainers.single_token import SingleToken
from saesteer.explainers.templates import PROMPTS
from tests.explainers.made import WEDDING, Answering, record

ANSWER = "EXPLANATION: words about weddings"


def test_single_words_with_their_places_and_nothing_else():
    last = SingleToken(Answering([ANSWER])).prompt(WEDDING)[-1].content.splitlines()
    assert last[0] == '1. "bride" (word 2 of 11, activity 10)'
    assert len(last) == 6 and "cake" not in "".join(last)


def test_both_lists_stand_apart():
    made = Contrastive(Answering([ANSWER]), levels=True)
    last = made.prompt(WEDDING)[-1].content
    active, silent = last.split("\n\nSilent:\n")
    assert active.startswith(
        "Active:\n1. the <<bride>> and the <<groom>> danced, then they slept.\n   activity: "
    )
    assert len(silent.splitlines()) == 6 and "<<" not in silent and "SECRET" not in last
    assert silent.splitlines()[0] == "1. the dog barked at the tall fence. It rained."


def test_a_contrast_needs_both_sides():
    client = Answering([ANSWER])
    for side in ("train", "silent_train"):
        found = asyncio.run(Contrastive(client).explain(replace(WEDDING, **{side: ()})))
        assert found.failure.kind == "too_few_examples" and not client.asked


@pytest.mark.parametrize(("name", "kind"), {"single_token": SingleToken, "contrastive": Contrastive}.items())
def test_answers_are_read_as_in_the_default(name, kind):
    assert EXPLAINERS.get(name) is kind
    made = kind(Answering([ANSWER]), reasoning=True)
    found = asyncio.run(made.explain(WEDDING))
    assert isinstance(made, Explainer)
    assert (found.text, found.explainer, found.usage.requests) == ("words about weddings", name, 1)
    assert asyncio.run(kind(Answering(["no"])).explain(WEDDING)).failure.kind == "unparsed"
    assert made.prompt(WEDDING)[:-1] == made.prompt(record(["x|1"], ["y"]))[:-1]


def test_explainers_have_different_fingerprints():
    kinds = [EXPLAINERS.get(name) for name in ("default", "single_token", "contrastive")]
    assert len({kind(Answering([ANSWER])).fingerprint() for kind in kinds}) == 3


@pytest.mark.parametrize("path", sorted(PROMPTS.glob("*.md")), ids=lambda path: path.stem)
def test_prompts_are_readable_files(path):
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n") and all(line.isprintable() for line in text.splitlines())
    if not path.stem.endswith(("_windows", "_examples")):
        assert text.rstrip().endswith("EXPLANATION: one plain sentence, thirty words at most")
