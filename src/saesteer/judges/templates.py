"""Prompts, from the text files beside this one, and the fence around texts of others. Knows no question.

A text that is rated was written by a model, or by anybody. It stands between two marks made from its own
hash, so that nothing in it can look like its end; what it says is material and no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from saesteer.llms.prompt_files import PromptFiles
from saesteer.runs import digest, sha256_bytes

PROMPTS: Final = Path(__file__).parent / "prompts"
_CONTROL: Final = {each: "\ufffd" for each in (*range(9), *range(11, 32), *range(127, 160))}
_FILES: Final = PromptFiles(PROMPTS)
template, filled, conversation = _FILES.template, _FILES.filled, _FILES.conversation


def prompts_hash(names: Sequence[str]) -> str:
    """Of these templates, for a fingerprint."""
    return digest({name: template(name) for name in names})


def fenced(text: str) -> str:
    """The text between marks that do not occur in it; control characters are shown as what they are not."""
    shown = text.replace("\r\n", "\n").translate(_CONTROL)
    tag, tried = "", 0
    while not tag or tag in shown:
        tag = sha256_bytes(f"{tried}\0{shown}".encode("utf-8", "surrogatepass"))[:10]
        tried += 1
    return f"<<<{tag}\n{shown}\n{tag}>>>"
