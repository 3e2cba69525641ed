"""Records from plain values: what counts as a number, a text or a switch, and what the message says to do."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from saesteer.errors import InputError
from saesteer.runs.fields import made


@dataclass(frozen=True)
class Thing:
    name: str = ""
    count: int = 1
    share: float = 0.5
    on: bool = True
    goal: float | None = None
    names: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)


def test_plain_values_become_what_the_field_holds():
    found = made(Thing, {"count": 5e6, "share": 1, "on": False, "goal": None, "names": ["a"]}, "it")
    assert found == Thing(count=5_000_000, share=1.0, on=False, names=("a",))
    assert isinstance(found.count, int) and isinstance(found.share, float)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": "4"}, "it: count is a whole number, got the text '4'; drop the quotes"),
        ({"count": "5e6"}, "got the text '5e6'; drop the quotes"),
        ({"share": "0.5"}, "it: share is a number, got the text '0.5'; drop the quotes"),
        ({"goal": "3"}, "it: goal is a number, got the text '3'; drop the quotes"),
        ({"on": "true"}, "it: on is true or false, got the text 'true'; drop the quotes"),
        ({"on": "perhaps"}, "it: on is true or false, got 'perhaps'; mend it"),
        ({"on": 1}, "it: on is true or false, got 1; mend it"),
        ({"count": True}, "it: count is a whole number, got True"),
        ({"count": False}, "it: count is a whole number, got False"),
        ({"share": True}, "it: share is a number, got True"),
        ({"share": float("nan")}, "it: share is a number, got nan"),
        ({"share": 10**400}, "it: share is a number, got 1000"),
        ({"count": 1.5}, "it: count is a whole number, got 1.5"),
        ({"name": None}, "it: name is a text, got nothing; give one, or leave the key out"),
        ({"name": 4}, "it: name is a text, got 4"),
        ({"names": "a"}, "it: names is a list, got 'a'"),
        ({"names": [1]}, "it: names is a text, got 1"),
    ],
)
def test_anything_else_is_named_with_what_to_do(given, said):
    with pytest.raises(InputError) as caught:
        made(Thing, given, "it")
    assert said in str(caught.value) and len(str(caught.value)) < 300
