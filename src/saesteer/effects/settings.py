"""How effects are measured: rollouts, what is counted, how strong a vector is made. Knows numbers only.

The defaults follow SAE-TS (arXiv 2411.02193) but for three: fewer rollouts per vector (for a fit, more
vectors with fewer rollouts each are worth more), generated tokens alone are counted, and scales are searched
on a grid in units of the model's own activations. `Settings.reference()` is the procedure of its code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from saesteer.errors import InputError, UnknownName
from saesteer.model.sampling import Sampling
from saesteer.parsing import parse_yaml
from saesteer.steering.crossing import Search, even, geometric
from saesteer.steering.where import Where

OPENERS: Final = (
    "",
    "",
    "",
    "I think",
    "Breaking news",
    "Last night",
    "For sale",
    "The weather",
    "Dear Sir/Madam",
    "Preheat the oven",
    "It's interesting that",
    "Assistant:",
    "I went up to",
    "New study suggests",
)
"""What rollouts begin with, after the BOS."""

_BEFORE: Final = 0.7  # of the pilot's strength: a third of the vectors of the world cross there already

_KINDS: Final[Mapping[str, tuple[str, Any]]] = {
    "int": ("a whole number", int),
    "float": ("a number", int | float),
}

Counted = Literal["generated", "text", "all"]
Reading = Literal["auto", "pass", "text"]


@dataclass(frozen=True)
class Scaling:
    """How strong each vector of unit length is made."""

    strength: float | None = None
    """This strength for every vector, and no search."""
    delta: float | None = 0.5
    """Until the loss on clean text is this many nats above that of the plain model ..."""
    loss: float | None = None
    """... or until it is this loss, in place of delta."""
    pilot: int = 8
    """Random vectors whose middle strength tells where the search begins for all; 0: none, but `start`."""
    start: float = 0.15
    """Where the search begins, in mean lengths of the activations; it goes up by `factor`."""
    limit: float = 8.0
    """Where it ends, in the same unit."""
    factor: float = 1.4
    step: float | None = None
    """Raw strengths 1 step, 2 steps, ... up to raw `limit` instead."""
    rounds: int = 3
    """How often the bracket is narrowed, at most."""
    tolerance: float = 0.03
    """Nats from the target that are close enough."""
    context: int = 48
    """Tokens of clean text in a row, BOS included."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        given = [each for each in (self.strength, self.loss) if each is not None]
        if len(given) == 2 or (not given and self.delta is None):
            raise InputError("scales come from one of strength, loss and delta; give one")
        for each in given:
            if not (math.isfinite(each) and each > 0):
                raise InputError(f"strength and loss are finite numbers above 0, got {each}")
        if not given and not (self.delta is not None and math.isfinite(self.delta) and self.delta > 0):
            raise InputError(f"delta is a finite number above 0, got {self.delta}")
        if self.context < 2:
            raise InputError(f"context is 2 tokens or more, got {self.context}")
        if self.pilot < 0:
            raise InputError(f"pilot is 0 vectors or more, got {self.pilot}")
        self.search(1.0)  # refuses what is no grid

    def search(self, norm: float, usual: float | None = None) -> Search:
        """The search at a hookpoint whose activations are `norm` long; `usual`: the strength of the pilot."""
        if self.step is not None:
            return Search(even(self.step, self.limit), self.rounds, self.tolerance)
        start = self.start * norm if usual is None else min(_BEFORE * usual, self.limit * norm)
        grid = geometric(start, self.limit * norm, self.factor)
        return Search(grid, self.rounds, self.tolerance, power=True)

    def target(self, clean: float) -> float:
        """The loss to reach, where the plain model has `clean`."""
        if self.loss is None:
            assert self.delta is not None
            return clean + self.delta
        if self.loss <= clean:
            raise InputError(
                f"the target loss is {self.loss:g} and the plain model already has {clean:.3f}; raise it, "
                "or give delta, which counts from there"
            )
        return self.loss


@dataclass(frozen=True)
class Settings:
    """One procedure of measuring."""

    openers: tuple[str, ...] = OPENERS
    n: int = 8
    """Rollouts of each opener, per vector."""
    baseline: int = 10
    """How many times as many rollouts the plain model gets, once for all vectors."""
    length: int = 32
    """Tokens of a rollout, BOS and opener included."""
    top_k: int | None = 50
    temperature: float = 1.0
    skip: tuple[str, ...] = ()
    """Positions that are not steered: bos, special. None by default, as in the paper."""
    counted: Counted = "generated"
    """Over which tokens latents are averaged. text: the opener too; all: the BOS as well. The tokens of the
    opener are the same with and without steering, so counting them makes all effects smaller by a factor."""
    reading: Reading = "auto"
    """pass: latents are taken from the steered pass itself, before the edit; text: the plain model reads the
    text again; auto: the first wherever it is exact."""
    scaling: Scaling = field(default_factory=Scaling)
    shard: int = 64
    """Vectors that are measured together and kept in one file."""

    def __post_init__(self) -> None:
        _check_kinds(self)
        openers: Any = self.openers
        listed = isinstance(openers, list | tuple) and all(isinstance(each, str) for each in openers)
        if not openers or not listed:
            raise InputError(f"openers are a list of texts, got {openers!r}; the empty text is one")
        object.__setattr__(self, "openers", tuple(openers))
        object.__setattr__(self, "skip", self.where.skip)
        Sampling(self.temperature, self.top_k)  # which refuses what it cannot sample by
        for name in ("n", "baseline", "shard"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is at least 1, got {getattr(self, name)}")
        if self.length < 2:
            raise InputError(f"length is 2 tokens or more, got {self.length}")
        for name, kind in (("counted", Counted), ("reading", Reading)):
            if getattr(self, name) not in get_args(kind):
                raise InputError(f"{name} is one of {', '.join(get_args(kind))}, got {getattr(self, name)!r}")

    @property
    def where(self) -> Where:
        """Where vectors are added."""
        return Where(skip=self.skip)

    @classmethod
    def reference(cls, loss: float | None = None) -> Settings:
        """As the paper's code: 896 rollouts, scales 0 to 200 by 20 and a line between, all tokens counted.

        `loss`: the target (4.0 for Gemma-2-2B and 3.5 for 9B there); None: half a nat above the plain model.
        """
        grid = Scaling(loss=loss, pilot=0, step=20.0, limit=200.0, rounds=0, tolerance=0.0)
        return cls(n=64, counted="all", reading="text", scaling=grid)


def settings_of(named: Mapping[str, Any], reference: bool = False) -> Settings:
    """The defaults, or the paper's own procedure, with some changed; those of the scaling by their own names.

    Texts are read as YAML, and lists of texts at commas: n=4, skip=bos,special, delta=0.3.
    """
    of_run = {each.name for each in fields(Settings)} - {"scaling"}
    of_scaling = {each.name for each in fields(Scaling)}
    for name in named:
        if name not in of_run | of_scaling:
            raise UnknownName.of("setting", name, of_run | of_scaling)
    values = {name: _value(name, value) for name, value in named.items()}
    ends = [name for name in ("strength", "loss", "delta") if values.get(name) is not None]
    if len(ends) > 1:
        raise InputError(
            f"scales come from one of strength, loss and delta, got {' and '.join(ends)}; give one"
        )
    start = Settings.reference() if reference else Settings()
    given = {name: value for name, value in values.items() if name in of_scaling}
    try:
        scaling = replace(start.scaling, **given)
        return replace(start, scaling=scaling, **{k: v for k, v in values.items() if k in of_run})
    except TypeError as error:
        raise InputError(
            f"a setting is of another kind ({error}); check {', '.join(map(str, named))}"
        ) from error


def _check_kinds(settings: Scaling | Settings) -> None:
    """InputError for a field that is annotated as a number and is none."""
    for each in fields(settings):
        kind, _, null = str(each.type).partition(" | ")
        value = getattr(settings, each.name)
        if kind not in _KINDS or (null and value is None):
            continue
        words, types = _KINDS[kind]
        if isinstance(value, bool) or not isinstance(value, types):
            raise InputError(f"{each.name} is {words}{' or null' if null else ''}, got {value!r}; mend it")


def _value(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name == "skip":
        return tuple(each for each in value.split(",") if each not in ("", "none"))
    if name in ("counted", "reading"):
        return value
    try:
        return parse_yaml(value)
    except ValueError as error:
        raise InputError(f"{name} is a number, got {value!r}") from error
