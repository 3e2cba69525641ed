"""The plain way: windows in which the latent is active, its words marked, and what have they in common?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from saesteer.explainers.asking import Asking


@dataclass(frozen=True)
class Default(Asking):
    """Active windows only; with `levels` and `reasoning` where wanted."""

    name: str = field(default="default", init=False)
    template: ClassVar[str] = "default"
