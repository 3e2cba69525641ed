"""Prompts as files that people can read and change in one place. Knows no record.

What is put into a template is text and stays text: nothing in it is read as part of the template.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

PROMPTS: Final = Path(__file__).parent / "prompts"


def filled(name: str, **values: Any) -> str:
    """The template with its values; a value that is missing is an error."""
    return _environment().get_template(f"{name}.md").render(**values).strip()


def source(name: str) -> str:
    """The template as it stands in its file."""
    return (PROMPTS / f"{name}.md").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(PROMPTS),
        autoescape=False,  # read by a language model, by no browser
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
