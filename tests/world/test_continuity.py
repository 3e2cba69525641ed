"""Slips of names, pronouns, towns and times."""

import pytest

from saesteer.world.continuity import slips
from saesteer.world.reading import judge_text
from saesteer.world.story import tell

START = "Anna lived in Harlow with her friend Tom."


def found(text):
    return slips([v.reading for v in judge_text(text).sentences])


def test_stories_of_the_generator_have_none():
    for seed in range(200):
        assert found(tell(seed).text) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"{START} He went upstairs.", ["pronoun"]),
        (f"{START} Tom went upstairs. She went upstairs.", ["pronoun"]),
        (f"{START} Peter went upstairs.", ["name"]),
        (f"{START} She walked all the way across Calder.", ["town"]),
        (f"{START} At night, hours went by. In the morning, hours went by.", ["time"]),
        (f"{START} She told Peter everything.", ["name"]),
        (f"{START} She told Anna everything.", ["name"]),
        (f"{START} Tom went upstairs. He told Tom everything.", ["name"]),
        (f"{START} She walked all the way across Calder. It was getting late in Harlow.", ["town"]),
        (
            f"{START} At night, hours went by. In the morning, hours went by. After lunch, hours went by.",
            ["time"] * 2,
        ),
        (f"{START} Hours went by. Tom lived alone in Harlow.", ["order"]),
        (f"{START} Tom went upstairs. He told Anna everything.", []),
    ],
)
def test_slips_are_named(text, what):
    assert found(text) == what
