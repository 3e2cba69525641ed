"""What a report says, as frozen records. Knows figures and texts; not how they are drawn or were made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from saesteer.errors import InputError
from saesteer.evaluation import Figures, Outcome
from saesteer.evaluation.choice import Aim, check_aim
from saesteer.statistics import Interval

Role = Literal["steering", "prompting", "control"]


@dataclass(frozen=True)
class Point:
    """One strength of a curve, on the selection half."""

    strength: float
    behaviour: Interval
    coherence: Interval | None
    """None where nobody judged it."""
    product: Interval | None
    samples: int
    seeds: int = 1
    failed: int = 0
    """Judgements, which count nowhere."""


@dataclass(frozen=True)
class Pair:
    """A steered text beside an unsteered one, after the same prompt."""

    prompt: str
    steered: str
    unsteered: str
    behaviour: float | None = None
    """Of the steered text."""
    coherence: float | None = None
    prefixed: str = ""
    """What stood before the steered text, where a prefix stood around the prompt."""


@dataclass(frozen=True)
class SeedFigures:
    """The chosen setting on the samples of one seed, of the test half."""

    seed: int
    samples: int
    behaviour: Interval
    coherence: Interval | None
    failed: int = 0
    """Samples whose judgement failed; they count nowhere else."""


@dataclass(frozen=True)
class JudgedBy:
    """What one judge, beside the one that chose, says of the test half's samples."""

    judge: str
    samples: int
    failed: int
    figures: Mapping[str, Interval]
    """behaviour, coherence and whatever else it judges; of the chosen setting."""
    base: Mapping[str, Interval]
    """The same of the unsteered model."""
    rows: str
    base_rows: str
    """What it says of the unsteered texts, which lie in a file of their own."""

    def __post_init__(self) -> None:
        check_link(self.rows)
        check_link(self.base_rows)


@dataclass(frozen=True)
class BesideAim:
    """What the chosen setting does beside its aim: figures by the names of docs/measures.md."""

    figures: Mapping[str, Interval]
    """kl, added_nats, perplexity, first_divergence, repeated, drift_share, ...: what was measured."""
    plain: Mapping[str, Interval]
    """The same of the unsteered model, where it has them."""
    read: int
    """Texts that were read."""
    written: int
    """Prompts that were continued."""
    rows: str
    latents: tuple[tuple[int, float], ...] = ()
    """Off-target latents that changed most, and the change of their mean activation."""
    seeds: int = 1
    """Of how many seeds; 1 where they all make the same."""

    def __post_init__(self) -> None:
        check_link(self.rows)


@dataclass(frozen=True)
class Versus:
    """One method against another on one concept: the same prompts of the test half."""

    concept: str
    one: str
    other: str
    """Methods."""
    figure: str
    difference: Interval
    p: float
    """Sign flips of whole prompts."""
    p_adjusted: float
    """By Holm over all comparisons of the report."""
    effect: float
    """Cohen's d of the paired differences."""
    prompts: int
    seeds: int
    needed: int | None = None
    """Prompts for a difference of this size to be clear among all comparisons, with power 0.8.

    None where nobody can say.
    """
    samples: int = 0
    """Judged texts of both methods on these prompts."""
    failed: int = 0
    """Texts of both whose judgement failed; they count nowhere else."""


@dataclass(frozen=True)
class Failure:
    """Something that did not work and counts nowhere."""

    where: str
    """Concept and method, as people read them."""
    what: str
    """What failed, and why, in one line."""
    count: int
    of: int
    rows: str = ""
    """The file with its rows, where there is one."""
    pair: tuple[str, str] | None = None
    """The concept and the method that have no result because of it."""

    def __post_init__(self) -> None:
        if self.rows:
            check_link(self.rows)


@dataclass(frozen=True)
class Cost:
    """What a run took, over all its processes; None where nobody counted."""

    seconds: float
    texts: int
    tokens: int
    """That the model wrote."""
    requests: int = 0
    """To clients of judges."""
    judge_tokens: int = 0
    money: float | None = None
    """In the currency of the prices that were given."""
    estimated: Mapping[str, float] = field(default_factory=dict)
    """What was said of these before it began, by their names."""


@dataclass(frozen=True)
class MethodResult:
    """One method on one concept."""

    method: str
    """Short and the same in every concept: "diffmean"."""
    label: str
    """As people read it: "Difference of means"."""
    role: Role
    setting: str
    """What was chosen: "0.40 residual norms", or the prefix. Empty where nothing was."""
    outcome: Outcome | None
    """On the test half; None where no setting kept the coherence."""
    reason: str
    """Why this setting, or why none."""
    rows: str
    """The file of the test half's samples (where nothing was chosen: of the tried ones), relative to the
    report.
    """
    tried: str
    """The file of the samples of the points."""
    unit: str = ""
    """Of the strengths."""
    goal: float | None = None
    """How many times its base rate the concept was hoped to reach."""
    points: tuple[Point, ...] = ()
    """The chosen variant over its strengths; empty for prompting."""
    pairs: tuple[Pair, ...] = ()
    seeds: tuple[SeedFigures, ...] = ()
    """More than one where the run had more than one."""
    judges: tuple[JudgedBy, ...] = ()
    beside: BesideAim | None = None

    def __post_init__(self) -> None:
        check_link(self.rows)
        check_link(self.tried)


@dataclass(frozen=True)
class Context:
    """A stretch of text with a latent's activation on every token."""

    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    positive: bool | None = None
    """Whether the text is one of the concept's own; None where it is neither."""

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.activations):
            raise InputError(
                f"a context has {len(self.tokens)} tokens but {len(self.activations)} activations; "
                "give one per token"
            )


@dataclass(frozen=True)
class LatentEvidence:
    """A latent that stands for a concept, and why we think so."""

    sae: str
    latent: int
    auroc: float
    """By its highest activation in each text."""
    rows: str
    token_auroc: float | None = None
    effect_size: float | None = None
    positive_rate: float | None = None
    """Share of the concept's texts in which it is active."""
    negative_rate: float | None = None
    contexts: tuple[Context, ...] = ()
    promoted: tuple[tuple[str, float], ...] = ()
    """Tokens and what one unit of the latent adds to their logits."""
    suppressed: tuple[tuple[str, float], ...] = ()
    by: tuple[str, ...] = ()
    """Labels of the methods that steer with it."""

    def __post_init__(self) -> None:
        check_link(self.rows)


@dataclass(frozen=True)
class ConceptResult:
    """One concept: its base rate, what each method did, the latents behind it."""

    name: str
    description: str
    base: Figures
    """Of the unsteered model."""
    base_rows: str
    methods: tuple[MethodResult, ...]
    latents: tuple[LatentEvidence, ...] = ()
    """Those that chosen settings steer with."""
    words: tuple[str, ...] = ()
    """Words that its positive texts have and the others have not; marked in samples."""

    def __post_init__(self) -> None:
        check_link(self.base_rows)
        names = [each.method for each in self.methods]
        if len(set(names)) < len(names):
            raise InputError(f"concept {self.name!r} has a method twice, got {names}; keep one of each")

    def method(self, name: str) -> MethodResult | None:
        """The result of a method here, if it was tried."""
        return next((each for each in self.methods if each.method == name), None)


@dataclass(frozen=True)
class Report:
    """Everything that one report says."""

    title: str
    concepts: tuple[ConceptResult, ...]
    coherence: float = 0.8
    """The coherence that every chosen setting is to keep on the test half."""
    aim: Aim = "more"
    """Whether more of the behaviour is wanted, or less, as of toxicity."""
    subtitle: str = ""
    made: str = ""
    """When."""
    command: str = ""
    """What makes this report again."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Model, SAEs, judge, seeds, versions."""
    notes: tuple[str, ...] = ()
    """Anything else that a reader should know."""
    asked: tuple[tuple[str, str], ...] = ()
    """What the run was asked for, line by line: what, and its value as people read it."""
    versus: tuple[Versus, ...] = ()
    failures: tuple[Failure, ...] = ()
    cost: Cost | None = None
    files: tuple[tuple[str, str], ...] = ()
    """Further files of the run: what each is, and where, relative to the report."""

    def __post_init__(self) -> None:
        if not self.concepts:
            raise InputError("a report needs at least one concept; add its result")
        check_aim(self.aim)
        for _, path in self.files:
            check_link(path)

    @property
    def sign(self) -> int:
        """1 where more of the behaviour is wanted, -1 where less."""
        return check_aim(self.aim)

    def clearly(self, outcome: Outcome) -> bool:
        """Whether the whole interval of the lift lies on the side that is aimed at."""
        return outcome.lift.low > 0 if self.sign > 0 else outcome.lift.high < 0

    def failed(self, concept: str, method: str) -> bool:
        """Whether a method was tried on a concept and came to no result."""
        return any(each.pair == (concept, method) for each in self.failures)

    @property
    def methods(self) -> tuple[MethodResult, ...]:
        """One result of each method, in the order in which methods first appear."""
        every = (method for concept in self.concepts for method in concept.methods)
        first: dict[str, MethodResult] = {}
        for method in every:
            first.setdefault(method.method, method)
        return tuple(first.values())


def check_link(path: str) -> None:
    """InputError unless `path` is plain, relative and leads down: a report links to its own files only."""
    outside = path.startswith(("/", "\\")) or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path)
    if not path or outside or ".." in re.split(r"[/\\]", path):
        raise InputError(f"a report links to files beside it, got {path!r}; give a relative path")
