"""Prompts, from the text files beside this one. Knows how they are filled in, not what they ask.

What is the same in all requests of a scorer is the system message; then comes the explanation, which is the
same for all windows of a latent; so a server can keep what it has read of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from saesteer.llms.lines import one_line
from saesteer.llms.prompt_files import PromptFiles
from saesteer.runs import sha256_bytes

PROMPTS: Final = Path(__file__).parent / "prompts"
_FILES: Final = PromptFiles(PROMPTS)
template, filled, conversation = _FILES.template, _FILES.filled, _FILES.conversation


def prompts_hash(name: str) -> str:
    """Of the templates of one scorer, for its fingerprint."""
    return sha256_bytes((template(f"{name}.system") + "\0" + template(f"{name}.user")).encode())


def numbered(texts: Sequence[str]) -> str:
    """One per line, from 1."""
    return "\n".join(f"{number}: {one_line(text)}" for number, text in enumerate(texts, 1))
