"""Prompts in text files of a folder, and how they are filled in. Knows no question."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from string import Template

from saesteer.llms.client import Message, user


class PromptFiles:
    """Files NAME.txt; a conversation is NAME.system.txt and NAME.user.txt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def template(self, name: str) -> str:
        """The text of NAME.txt, without the line break at its end."""
        return _read(self.folder / f"{name}.txt")

    def filled(self, name: str, **values: str) -> str:
        """The template with its `$names` replaced; what stands in the values is left as it is."""
        return Template(self.template(name)).substitute(values)

    def conversation(self, name: str, **values: str) -> tuple[Message, ...]:
        """The messages of one request: NAME.system.txt, and NAME.user.txt filled in."""
        return user(self.filled(f"{name}.user", **values), self.template(f"{name}.system"))


@lru_cache(maxsize=256)
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").removesuffix("\n")
