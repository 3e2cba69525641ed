"""The parts of an experiment's config, each a record with its own checks. Loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from saesteer.errors import InputError

MOST_SAMPLES: Final = 10_000
"""Per prompt, setting and seed: beyond it a slip of the hand is likelier than a wish."""


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and how it is loaded."""

    name: str = "world"
    """world, a folder or an id of the hub."""
    revision: str | None = None
    dtype: str = "float32"
    device: str | None = None
    """None: SAESTEER_DEVICE or cpu."""

    def __post_init__(self) -> None:
        _check_said(self.name, "model: name")


@dataclass(frozen=True)
class SAEChoice:
    """An SAE, and where methods that name it steer."""

    source: str
    at: str | None = None
    """None: where the SAE was trained."""

    def __post_init__(self) -> None:
        _check_said(self.source, "a source of saes")


@dataclass(frozen=True)
class Tasks:
    """Folders of task configs as SAE-TS published them."""

    tasks: str
    only: tuple[str, ...] = ()
    """Names of tasks; none: all of them."""

    def __post_init__(self) -> None:
        if len(set(self.only)) < len(self.only):
            raise InputError(f"concepts: only names one twice, got {list(self.only)}; name each once")


@dataclass(frozen=True)
class Samples:
    """Texts per prompt, setting and seed."""

    selection: int = 4
    test: int = 8
    base: int = 8
    """Of the plain model, on all prompts."""

    def __post_init__(self) -> None:
        for name in ("selection", "test", "base"):
            if not 1 <= getattr(self, name) <= MOST_SAMPLES:
                raise InputError(
                    f"samples: {name} is 1 to {MOST_SAMPLES:,}, got {getattr(self, name)}; mend it"
                )


@dataclass(frozen=True)
class TextSource:
    """Texts that steered models read for their side effects."""

    source: str
    """A file, or whatever `read_texts` takes."""
    count: int = 32
    """The first so many."""

    def __post_init__(self) -> None:
        _check_said(self.source, "texts: source")
        if self.count < 1:
            raise InputError(f"texts: count is 1 or more, got {self.count}; mend it")


@dataclass(frozen=True)
class SideEffectChoice:
    """What is measured of each chosen setting beside its aim."""

    tokens: int = 50
    """Written greedily after each prompt of the test half."""
    sae: str | None = None
    """A name of `saes`, by whose latents the drift is measured."""
    count: int = 32
    """Texts that are read at most."""
    max_length: int = 256
    """Tokens of a text that distance and drift are of."""

    def __post_init__(self) -> None:
        for name in ("tokens", "count", "max_length"):
            if getattr(self, name) < 1:
                raise InputError(f"side_effects: {name} is 1 or more, got {getattr(self, name)}")


def _check_said(text: str, where: str) -> None:
    if not text.strip():
        raise InputError(f"{where} is empty; give a name, a file or a folder")
