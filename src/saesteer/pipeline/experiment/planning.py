"""The cells of an experiment (a concept by a method) and how many texts each needs. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from saesteer.errors import CorruptFile, InputError, SaesteerError
from saesteer.evaluation import split
from saesteer.judges import FingerprintedJudge
from saesteer.methods import candidates
from saesteer.methods.calling import takes
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.inputs import FILES, Inputs, content
from saesteer.pipeline.experiment.method_choice import PROMPTING, MethodChoice
from saesteer.pipeline.experiment.subjects import Subject, short_names
from saesteer.runs import contained, digest, read_json

CELL: Final = "cell.json"
SAMPLES: Final = "samples"
BASE: Final = "plain"
REVISION: Final = 2  # raised when a cell computes something else


@dataclass(frozen=True)
class Counts:
    """Texts that are written, by what for."""

    selection: int = 0
    test: int = 0
    beside: int = 0
    """Greedy texts of side effects, of the plain model's too."""

    @property
    def judged(self) -> int:
        return self.selection + self.test

    @property
    def texts(self) -> int:
        return self.judged + self.beside


@dataclass(frozen=True, eq=False)
class Cell:
    """One concept by one method."""

    subject: Subject
    method: MethodChoice
    folder: str
    """Of its results, below the run's folder."""
    strengths: tuple[float, ...]
    variants: int
    counts: Counts
    digest: str
    """Equal for cells that ask for the same."""

    @property
    def where(self) -> str:
        """As people read it."""
        return f"{self.subject.concept.name} · {self.method.name}"


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that is to be done."""

    cells: tuple[Cell, ...]
    base: int
    """Texts of the plain model, which all concepts share."""
    base_digest: str
    """Equal for experiments whose plain texts and their judgements are the same."""
    notes: tuple[str, ...]
    """What is left out, and why."""


def plan_of(inputs: Inputs) -> Plan:
    """The cells, concept by concept; InputError where none is left."""
    config = inputs.config
    names = [each.name for each in config.methods]
    folders = dict(zip(names, short_names(names), strict=True))
    shared = _shared(inputs)
    files = {each.name: _files(each) for each in config.methods}
    cells, notes = [], list(inputs.notes)
    for subject in inputs.subjects:
        for method in config.methods:
            reason = _why_not(subject, method)
            if reason:
                notes.append(f"{subject.concept.name} · {method.name}: left out, {reason}")
                continue
            _check_place(config, subject, method)
            folder = f"{SAMPLES}/{subject.short}/{folders[method.name]}"
            cells.append(_cell(inputs, subject, method, folder, [shared, files[method.name]]))
    if not cells:
        raise InputError(f"there is no concept that a method fits: {'; '.join(notes)}")
    base = len(config.seeds) * len(inputs.prompts) * config.samples.base
    own = digest([shared, [each.concept for each in inputs.subjects]])
    return Plan(tuple(cells), base, own, tuple(notes))


def _cell(inputs: Inputs, subject: Subject, method: MethodChoice, folder: str, shared: Any) -> Cell:
    config = inputs.config
    strengths = method.strengths or config.strengths if method.steers else (0.0,)
    variants = len(method.each_variant()) if method.steers else len(candidates(subject.concept))
    half = split(inputs.prompts)
    test = sum(each == "test" for each in half.values())
    seeds = len(config.seeds)
    drawn = method.steers and method.method is not None and takes(method.function, "seed")
    beside = 0 if config.side_effects is None else 2 * test * (seeds if drawn else 1)
    counts = Counts(
        selection=seeds * variants * len(strengths) * (len(half) - test) * config.samples.selection,
        test=seeds * test * config.samples.test,
        beside=beside,
    )
    task = subject.task
    target = getattr(task, method.task_latents) if task and method.task_latents else None
    asked = [REVISION, shared, subject.concept, method.to_dict(), strengths, target, task and task.hookpoint]
    return Cell(subject, method, folder, strengths, variants, counts, digest(asked))


def _shared(inputs: Inputs) -> list[Any]:
    """What every cell depends on beside its concept and its method."""
    config = inputs.config
    judges = [
        each.fingerprint() for each in (inputs.judge, *inputs.judges) if isinstance(each, FingerprintedJudge)
    ]
    saes = [content(each.source) for each in config.saes.values()]
    return [
        config.model, config.saes, saes, inputs.prompts, inputs.texts, judges, config.seeds, config.samples,
        config.coherence, config.aim, config.writing, config.side_effects, config.batch,
    ]  # fmt: skip


def _files(method: MethodChoice) -> list[Any]:
    """What the files of a method hold: they may change under their names."""
    named = [
        variant.options[name]
        for variant in method.each_variant()
        for name in FILES
        if name in variant.options
    ]
    return [content(each) for each in (method.spec, *named)]


def _why_not(subject: Subject, method: MethodChoice) -> str:
    """Why a method cannot be tried on a concept; empty where it can."""
    task = subject.task
    if method.task_latents is not None and (task is None or getattr(task, method.task_latents) is None):
        return f"the task has no {method.task_latents} latents"
    reads = method.method is not None and method.method != PROMPTING and takes(method.function, "concept")
    if not subject.has_texts and reads and method.task_latents is None:
        return "the task has no contrasting texts"
    return ""


def _check_place(config: ExperimentConfig, subject: Subject, method: MethodChoice) -> None:
    """InputError where nobody says at which hookpoint a direction is to be added."""
    if method.method is None or method.task_latents is not None:
        return
    if takes(method.function, "sae"):
        if not config.saes:
            raise InputError(f"the method {method.name!r} needs an SAE; give saes: {{s: SOURCE}}")
        return
    unsaid = any(each.at is None for each in method.each_variant()) and takes(method.function, "at")
    if unsaid and not config.saes and subject.task is None:
        raise InputError(f"the method {method.name!r} needs at, such as layers.3; give it, or saes")


def left_of(plan: Plan, out: Path, model: str | None = None) -> tuple[Cell, ...]:
    """The cells that are not finished; `model`: its fingerprint, where it is known."""
    return tuple(each for each in plan.cells if not finished(out, each.folder, each.digest, model))


def finished(out: Path, folder: str, digest: str, model: str | None = None) -> bool:
    """Whether a part of a run ended well, and everything that it keeps is still there."""
    try:
        found = ended(out, folder, digest, model)
    except SaesteerError:
        return False
    return bool(found) and found.get("error") is None


def ended(out: Path, folder: str, digest: Any, model: Any = None) -> dict[str, Any]:
    """How a part of a run ended; empty where it was not done, or for something else, or its files are gone.

    `model`: its fingerprint, where it is known.
    """
    path = out / folder / CELL
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise CorruptFile(f"{path} is not of this version; run it again")
    same = found.get("digest") == digest and model in (None, found.get("model", model))
    whole = all(contained(out, str(each)).is_file() for each in found.get("files", ()))
    return found if same and whole else {}
