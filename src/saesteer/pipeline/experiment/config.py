"""What an experiment is asked for, as frozen records; each error names the field. Loads nothing.

title: Which way of steering is best?
model: world                        # or {name: google/gemma-2-2b, dtype: bfloat16, device: cuda:0}
saes: {s: world/layers.3}           # name -> source, or {source: ..., at: layers.3}
concepts: [world/wedding, my.yaml]  # or {tasks: FOLDER, only: [wedding]}
methods: [diffmean, {method: sae_decoder, sae: s, options: {top: 2}}, prompting, random_direction]
strengths: [0.16, 0.24, 0.32]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.evaluation import Writing
from saesteer.evaluation.choice import Aim, check_aim
from saesteer.pipeline.experiment.choices import (
    ModelChoice,
    SAEChoice,
    Samples,
    SideEffectChoice,
    Tasks,
    TextSource,
)
from saesteer.pipeline.experiment.field_values import READ
from saesteer.pipeline.experiment.method_choice import MethodChoice
from saesteer.runs import plain
from saesteer.runs.fields import made

MARGIN: Final = 0.03
"""Asked beyond the coherence on the selection half: the best of many settings flatters itself there."""

MOST_OPENINGS: Final = 10_000
"""The world writes them one by one, and has not endlessly many different ones."""


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Concepts by methods by strengths by prompts by seeds by judges."""

    methods: tuple[MethodChoice, ...]
    concepts: tuple[str, ...] | Tasks
    title: str = "An experiment"
    model: ModelChoice = field(default_factory=ModelChoice)
    saes: Mapping[str, SAEChoice] = field(default_factory=dict)
    prompts: int | str | tuple[str, ...] = 16
    """How many of the world's openings, a file, or the prompts themselves."""
    texts: TextSource | None = None
    """None: the plain model's own texts of the base sweep."""
    judge: Any = "oracle"
    """Chooses and reports: a line or mapping of docs/judges.md."""
    judges: tuple[Any, ...] = ()
    """Further ones, asked about the rows of the test half."""
    strengths: tuple[float, ...] = ()
    """In the unit of each method's spec; a method may have its own."""
    seeds: tuple[int, ...] = (0,)
    """Of the writing, and of methods that take one."""
    samples: Samples = field(default_factory=Samples)
    coherence: float = 0.8
    """What a chosen setting keeps; MARGIN is asked beyond it on the selection half. 0 asks for none."""
    writing: Writing = field(default_factory=Writing)
    side_effects: SideEffectChoice | None = field(default_factory=SideEffectChoice)
    aim: Aim = "more"
    """less: what is chosen and called best lowers the behaviour, as of toxicity."""
    goal: float | None = None
    """How many times its base rate a concept is hoped to reach."""
    batch: int = 256
    """Texts written at once."""

    def __post_init__(self) -> None:
        if not self.methods or not self.concepts:
            raise InputError(f"{'concepts' if self.methods else 'methods'} is empty; give one at least")
        if not 0 <= self.coherence <= 1:
            raise InputError(f"coherence lies between 0 and 1, got {self.coherence:g}; try 0.8")
        if check_aim(self.aim) < 0 and (self.goal is not None or any(each.goal for each in self.methods)):
            raise InputError(
                "a goal is how many times its base rate a concept reaches; leave it out with aim: less"
            )
        if self.batch < 1 or self.writing.max_new_tokens < 1:
            raise InputError("batch and writing: max_new_tokens are 1 or more; mend them")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise InputError(f"seeds are different whole numbers from 0, got {list(self.seeds)}")
        if max(self.seeds) >= 2**63:
            raise InputError(f"a seed is below 2^63, got {max(self.seeds)}; give a smaller one")
        if isinstance(self.prompts, int) and self.prompts < 2:
            raise InputError(
                f"prompts is 2 or more, half to choose by, half to report on; got {self.prompts}"
            )
        if isinstance(self.prompts, int) and self.prompts > MOST_OPENINGS:
            raise InputError(
                f"prompts is {MOST_OPENINGS:,} of the world's openings at most, got {self.prompts}; "
                "give a file for more"
            )
        for goal in (self.goal, *(each.goal for each in self.methods)):
            if goal is not None and not 0 < goal < math.inf:
                raise InputError(f"a goal is a number of times above 0, got {goal:g}; try 3")
        names = [each.name for each in self.methods]
        if twice := sorted({each for each in names if names.count(each) > 1}):
            raise InputError(f"two methods are called {twice[0]!r}; give them names of their own (name: ...)")
        labels = [each.label_shown.casefold() for each in self.methods]
        if twice := sorted({each for each in labels if labels.count(each) > 1}):
            raise InputError(
                f"two methods have the label {twice[0]!r}; give them labels of their own (label: ...)"
            )
        for each in self.methods:
            self._check_method(each)
        if self.side_effects is not None and self.side_effects.sae is not None:
            self._check_sae(self.side_effects.sae, "side_effects")

    def _check_method(self, method: MethodChoice) -> None:
        if method.steers and not (method.strengths or self.strengths):
            raise InputError(f"the method {method.name!r} has no strengths; give strengths: [...]")
        if method.sae is not None:
            self._check_sae(method.sae, f"the method {method.name!r}")
        if method.task_latents is not None and not isinstance(self.concepts, Tasks):
            raise InputError(
                f"the method {method.name!r} takes the latents of tasks (from: {method.task_latents}); "
                "give concepts: {tasks: FOLDER}"
            )

    def _check_sae(self, name: str, where: str) -> None:
        if name not in self.saes:
            raise UnknownName.of(f"SAE of {where}", name, self.saes)

    @property
    def asked(self) -> float:
        """The coherence that a setting must have on the selection half to be chosen."""
        return min(1.0, self.coherence + MARGIN) if self.coherence else 0.0

    @property
    def measuring(self) -> str | None:
        """The SAE by whose latents drift is measured, by name: what side effects say, else the first."""
        if self.side_effects is None:
            return None
        return self.side_effects.sae or next(iter(self.saes), None)

    @property
    def writing_options(self) -> dict[str, Any]:
        """How texts are written, by the names of `evaluate`."""
        return asdict(self.writing)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> ExperimentConfig:
        """From a mapping as YAML gives it; paths are taken as they stand (see reading.py)."""
        values = dict(given)
        known = {each.name: each for each in fields(cls)}
        for key in values:
            if key not in known:
                raise UnknownName.of("field of an experiment", key, known)
        for name, read in READ.items():
            if name in values:
                values[name] = read(values[name])
        for key in ("methods", "concepts"):
            if key not in values:
                raise InputError(f"{key} is missing; give some")
        plain_fields: dict[str, Any] = {
            key: values.pop(key) for key in ("title", "aim", "coherence", "goal", "batch") if key in values
        }
        checked = made(_Numbers, plain_fields, "an experiment")
        return cls(**values, **{key: getattr(checked, key) for key in plain_fields})

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, with every default written out."""
        record = {each.name: plain(_as_given(getattr(self, each.name))) for each in fields(self)}
        return record | {"methods": [each.to_dict() for each in self.methods]}


@dataclass(frozen=True)
class _Numbers:
    """The fields that need no reading of their own, with their types."""

    title: str = ""
    aim: str = "more"
    coherence: float = 0.8
    goal: float | None = None
    batch: int = 256


def _as_given(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | list):
        return value
    if isinstance(value, Mapping):
        return {key: _as_given(each) for key, each in value.items()}
    return [_as_given(each) for each in value] if isinstance(value, tuple) else asdict(value)
