"""The page on clients names what there is."""

import inspect
import re
from pathlib import Path

import pytest

from saesteer.llms import CLIENTS, ClientError
from saesteer.llms.making import _UNSAID

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["openai", "hf", "vllm", "scripted"])
def test_every_option_is_on_the_page(name):
    part = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.+?`) \|", part, re.M)
    named = {each for row in rows for each in re.findall(r"`(\w+)`", row)}
    assert named == set(inspect.signature(CLIENTS.get(name)).parameters) - _UNSAID


def test_every_kind_of_failure_and_every_client_is_on_the_page():
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.split("\n## ")[0], re.M)
    assert dict(rows) == {each.kind: each.__name__ for each in ClientError.__subclasses__()}
    lines = re.findall(r"^\| `(\w+)[:`]", PAGE.split("## Which client")[1].split("\n## ")[0], re.M)
    assert set(lines) == set(CLIENTS.names())
