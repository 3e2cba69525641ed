"""Without contexts: only the one word at which each window is most active, its place and its level."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from saesteer.explainers.asking import Asking


@dataclass(frozen=True)
class SingleToken(Asking):
    """For latents that stand for a word; cheap, and a measure of what contexts add."""

    name: str = field(default="single_token", init=False)
    template: ClassVar[str] = "single_token"
