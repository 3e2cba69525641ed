"""What `saesteer interpret` is asked for: a YAML file or flags, checked before anything is loaded.

model: world
saes: world/layers.3            # or several: {early: world/layers.1, late: world/layers.3}
texts: stories.jsonl            # default for the model world: its own stories
tokens: 200_000
latents: 64                     # of each SAE; or all, or a list: 3,5,10-20
preset: reference               # of examples: reference, article
examples: {train: 20}           # what differs from the preset
explainer: {name: default, reasoning: true}
scorers: [detection, fuzzing, {name: simulation, form: json}]
client: openai:gpt-4o-mini      # default for the model world: its oracle
out: runs/first
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.examples import PRESETS, ExampleSettings
from saesteer.explainers import EXPLAINERS
from saesteer.pipeline.interpretation.making import Asked, asked_for, known
from saesteer.runs import read_yaml
from saesteer.runs.fields import made
from saesteer.scorers import SCORERS

WORLD: Final = "world"
OUT: Final = "interpretation"
_LISTS: Final = ("saes", "scorers")
_LEAST: Final = {"tokens": 1, "context": 2, "parallel": 1, "seed": 0}


@dataclass(frozen=True, kw_only=True)
class InterpretConfig:
    """One run: what is read, which latents, how they are explained and scored."""

    model: str = WORLD
    """world, a folder or an id."""
    saes: tuple[str, ...] | Mapping[str, str] = ()
    """Sources, or names and sources; empty for the model world: world/layers.3."""
    texts: str | None = None
    """A source of texts; None for the model world: its own stories."""
    tokens: int = 200_000
    """Read at most."""
    context: int = 256
    cache: str | None = None
    """A folder with a finished cache, in place of saes and texts."""
    latents: Any = 64
    """How many of each SAE; all; a list; or a mapping of SAE to these."""
    preset: str = "reference"
    """Of examples."""
    examples: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ExampleSettings that differ from the preset."""
    explainer: Any = "token_statistics"
    """Its name, or {name: ..., and options}."""
    scorers: tuple[Any, ...] = ("detection", "fuzzing")
    client: Any = None
    """As `client_from` takes it; None for the model world: its oracle."""
    parallel: int = 8
    """Latents under way at once."""
    seed: int = 0
    """Of the draw of latents."""
    device: str | None = None
    dtype: str = "float32"
    report: bool = True
    """Whether report.html is written."""
    out: str = OUT

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} is {least} or more, got {getattr(self, name)}")
        if self.cache is not None and self.texts is not None:
            raise InputError(f"cache is {self.cache} and texts is {self.texts}; give one of the two")
        if self.model != WORLD and self.cache is None and (self.texts is None or not self.saes):
            missing = "texts" if self.texts is None else "saes"
            raise InputError(f"{missing} is missing; the model {self.model!r} comes without")
        if not self.scorers and not self.explainer:
            raise InputError("there is neither an explainer nor a scorer; give one")
        self.example_settings()
        self.explainer_asked()
        self.scorers_asked()

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> InterpretConfig:
        """From a mapping as YAML gives it; InputError names the field."""
        values = dict(given)
        for name in _LISTS:
            if isinstance(values.get(name), str):
                values[name] = [values[name]]
        if isinstance(values.get("scorers"), Mapping):
            values["scorers"] = [values["scorers"]]
        found: InterpretConfig = made(cls, values, "the config")
        return found

    @classmethod
    def load(cls, path: str | Path) -> InterpretConfig:
        """From a YAML file."""
        return cls.from_dict(read_mapping(path))

    def sae_sources(self) -> dict[str | None, str]:
        """Name in the cache -> source; None for one SAE that is called after its hookpoint."""
        if isinstance(self.saes, Mapping):
            return {str(name): str(each) for name, each in self.saes.items()}
        sources = self.saes or ((f"{WORLD}/layers.3",) if self.model == WORLD else ())
        if len(sources) == 1:
            return {None: sources[0]}
        if len(set(sources)) < len(sources):
            raise InputError("saes names a source twice; name each once")
        return {each: each for each in sources}

    def example_settings(self) -> ExampleSettings:
        """The preset, with what differs."""
        return example_settings(self.preset, self.examples)

    def explainer_asked(self) -> Asked:
        """Name and options."""
        return known(asked_for(self.explainer, "explainer"), EXPLAINERS)

    def scorers_asked(self) -> tuple[Asked, ...]:
        """The same of every scorer."""
        asked = [asked_for(each, f"scorers[{number}]") for number, each in enumerate(self.scorers)]
        return tuple(known(each, SCORERS) for each in asked)


def example_settings(preset: str, changed: Mapping[str, Any]) -> ExampleSettings:
    """A preset, with some fields changed; InputError names the field."""
    start = PRESETS.get(preset)
    known = {each.name: getattr(start, each.name) for each in fields(start)}
    found: ExampleSettings = made(ExampleSettings, {**known, **changed}, "examples")
    return found


def read_mapping(path: str | Path) -> dict[str, Any]:
    """A YAML file of fields."""
    found = read_yaml(path)
    if not isinstance(found, dict):
        raise InputError(f"{path} holds {type(found).__name__}, not the fields of a config; see --help")
    return found
