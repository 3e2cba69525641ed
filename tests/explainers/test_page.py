"""docs/explainers.md says what was measured, and shows the prompt that is sent."""

import sys
from pathlib import Path

import pytest

from saesteer.explainers import EXPLAINERS
from scripts import print_prompt, write_explainers

PAGE = Path(write_explainers.PAGE).read_text(encoding="utf-8")


def test_the_figures_are_those_of_the_record():
    assert write_explainers.page() == PAGE


def test_every_explainer_is_named():
    rows = [
        line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `") and "world" not in line
    ]
    assert sorted(rows) == EXPLAINERS.names()


@pytest.mark.slow
def test_the_prompt_is_the_one_of_the_command(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["print_prompt.py", "default", "--levels"])
    print_prompt.main()
    shown = PAGE.split("````text\n")[1].split("````")[0]
    assert capsys.readouterr().out.strip() == shown.strip()
