"""Prompts, from the text files beside this one. Knows how they are filled in, not what they ask.

What is the same in all requests of a scorer is the system message; then comes the explanation, which is the
same for all windows of a latent; so a server can keep what it has read of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

from saesteer.examples.lines import one_line
from saesteer.llms import Message, user
from saesteer.runs import sha256_bytes

PROMPTS: Final = Path(__file__).parent / "prompts"


@cache
def template(name: str) -> str:
    """The text of prompts/NAME.txt, without the line break at its end."""
    return (PROMPTS / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n")


def filled(name: str, **values: str) -> str:
    """The template with its `$names` replaced; what stands in the values is left as it is."""
    return Template(template(name)).substitute(values)


def conversation(name: str, **values: str) -> tuple[Message, ...]:
    """The messages of one request: NAME.system.txt, and NAME.user.txt filled in."""
    return user(filled(f"{name}.user", **values), template(f"{name}.system"))


def prompts_hash(name: str) -> str:
    """Of the templates of one scorer, for its fingerprint."""
    return sha256_bytes((template(f"{name}.system") + "\0" + template(f"{name}.user")).encode())


def numbered(texts: Sequence[str]) -> str:
    """One per line, from 1."""
    return "\n".join(f"{number}: {one_line(text)}" for number, text in enumerate(texts, 1))
