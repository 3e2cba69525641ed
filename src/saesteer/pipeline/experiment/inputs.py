"""What an experiment works with, as far as it can be known without a model: concepts, prompts, texts, judges.

Knows files and registries. Whatever cannot be meant is refused here, before anything is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from saesteer.effects import Task, read_tasks
from saesteer.errors import InputError, UnknownName
from saesteer.evaluation import split
from saesteer.judges import FingerprintedJudge, Judge, JudgeRequest, load_judge
from saesteer.judges.by_concept import JudgeByConcept
from saesteer.judges.judge import check_all, close_all
from saesteer.judges.making import parts
from saesteer.model import MODELS
from saesteer.pipeline.experiment.choices import Tasks
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.runs import sha256_file
from saesteer.text import Concept, load_concept, read_prompts, read_texts
from saesteer.world.texts import openings

_FILE: Final = re.compile(r"[^A-Za-z0-9._+-]+")
FILES: Final = ("effects", "scores", "d_ref")
"""Options of methods that may name files, whose content decides what is made."""
_OTHERS: Final = ("This text is about something else.",)
"""The negative side of a task without contrasting texts, which no method that reads texts is given."""


@dataclass(frozen=True)
class Subject:
    """A concept, and the task that it came from."""

    concept: Concept
    short: str
    """What its folder is called."""
    task: Task | None = None

    @property
    def has_texts(self) -> bool:
        """Whether its contrasting texts are real ones."""
        return self.task is None or self.task.concept is not None


@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything but the model and its SAEs."""

    config: ExperimentConfig
    subjects: tuple[Subject, ...]
    prompts: tuple[str, ...]
    texts: tuple[str, ...] | None
    """For side effects; None: the plain model's own."""
    judge: Judge
    judges: tuple[Judge, ...]
    notes: tuple[str, ...] = ()
    """What was left out of the texts."""

    def close(self) -> None:
        """Give back what the judges hold, who were made here from lines."""
        close_all((self.judge, *self.judges))

    @property
    def concepts(self) -> dict[str, Concept]:
        """By name."""
        return {each.concept.name: each.concept for each in self.subjects}

    @property
    def needs(self) -> tuple[str, ...]:
        """What must come from the network unless it is in the local cache, as far as names tell."""
        config, found = self.config, []
        named = config.model.name
        if named not in MODELS and not named.startswith(("/", ".")):
            found.append(f"the model {named}")
        saes = [each.source for each in config.saes.values()]
        for method in config.methods:
            if method.task_latents is not None and method.sae is None:
                tasks = [each.task for each in self.subjects if each.task is not None]
                targets = [getattr(each, method.task_latents) for each in tasks]
                saes += [each.sae for each in targets if each is not None]
        found += [f"the SAE {each}" for each in dict.fromkeys(saes) if not each.startswith(("world/", "/"))]
        return tuple(found)


def read_inputs(config: ExperimentConfig) -> Inputs:
    """Concepts, prompts, texts and judges of a config; InputError names what cannot be meant."""
    subjects, notes = _subjects(config)
    prompts = _prompts(config.prompts)
    halves = split(prompts)
    if len(set(halves.values())) < 2:
        raise InputError("one prompt cannot be both chosen by and reported on; give two or more")
    texts = None
    if config.texts is not None:
        found = [each.text for each in read_texts(config.texts.source)]
        texts = tuple(dict.fromkeys(found))[: config.texts.count]
    for method in config.methods:
        if method.spec is not None and not Path(method.spec).is_file():
            raise InputError(f"the method {method.name!r}: there is no file {method.spec}; check the path")
    judge, *others = (_judge(given, subjects) for given in (config.judge, *config.judges))
    for each in (judge, *others):
        if not isinstance(each, FingerprintedJudge):
            raise InputError("a judge of an experiment has a fingerprint(), by which results are found again")
        for subject in subjects:
            check_all([each], subject.concept)
    prints = [each.fingerprint() for each in (judge, *others) if isinstance(each, FingerprintedJudge)]
    if len(set(prints)) < len(prints):
        raise InputError("judges names a judge twice, or the one that chooses; name each once")
    return Inputs(config, subjects, prompts, texts, judge, tuple(others), notes)


def _subjects(config: ExperimentConfig) -> tuple[tuple[Subject, ...], tuple[str, ...]]:
    if isinstance(config.concepts, Tasks):
        return _of_tasks(config.concepts)
    concepts = [load_concept(each) for each in config.concepts]
    names = [each.name for each in concepts]
    if len(set(names)) < len(names):
        raise InputError(f"two concepts have one name among {', '.join(names)}; name them apart")
    return tuple(map(Subject, concepts, short_names(names))), ()


def _of_tasks(given: Tasks) -> tuple[tuple[Subject, ...], tuple[str, ...]]:
    every = {each.name: each for each in read_tasks(given.tasks)}
    for name in given.only:
        if name not in every:
            raise UnknownName.of(f"task of {given.tasks}", name, every)
    tasks = [every[name] for name in given.only or every]
    models = sorted({each.model for each in tasks if each.model is not None})
    if len(models) > 1:
        raise InputError(f"{given.tasks} holds tasks of {' and '.join(models)}; give the folder of one model")
    named = [each.criteria[0].name for each in tasks]
    names = [
        called if named.count(called) == 1 else task.name for task, called in zip(tasks, named, strict=True)
    ]
    if len(set(names)) < len(names):
        raise InputError(f"two tasks have one name among {', '.join(names)}; give only: [...]")
    notes = [
        f"{each.name}: {len(each.left_out)} contrasting texts of a single word are left out"
        for each in tasks
        if each.left_out
    ]
    found = [Subject(_concept(task, name), short, task) for task, name, short in
             zip(tasks, names, short_names(names), strict=True)]  # fmt: skip
    return tuple(found), tuple(notes)


def _concept(task: Task, name: str) -> Concept:
    """The task's, by its own name; of a task without texts only what a judge is asked is real."""
    about = task.criteria[0].behaviour
    if task.concept is None:
        return Concept(name, about, (about if " " in about.strip() else f"About {about}",), _OTHERS)
    return Concept(name, about, task.concept.positive, task.concept.negative)


def _prompts(given: int | str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, int):
        return tuple(openings(given))
    if isinstance(given, str):
        return tuple(dict.fromkeys(each.text for each in read_prompts(given)))
    return tuple(given)


def _judge(given: Any, subjects: Sequence[Subject]) -> Judge:
    """A language model that is told no criteria is asked a task's own questions."""
    tasks = [each for each in subjects if each.task is not None]
    if not tasks or not _asks_freely(given):
        return load_judge(given)
    return JudgeByConcept({each.concept.name: load_judge(given, criteria=_questions(each)) for each in tasks})


def _asks_freely(given: Any) -> bool:
    line = given.get("judge") if isinstance(given, Mapping) else given
    if not isinstance(line, str):
        return False
    name, options, _ = parts(line)
    return name == "llm" and "criteria" not in {**options, **(given if isinstance(given, Mapping) else {})}


def _questions(subject: Subject) -> list[dict[str, str]]:
    """The first criterion is behaviour and coherence; further ones keep their names."""
    assert subject.task is not None
    first, *more = subject.task.criteria
    asked = [{"behaviour": first.behaviour}, {"coherence": first.coherence}]
    return asked + [{_FILE.sub("_", each.name.casefold()): each.behaviour} for each in more]


def stand_in(subject: Subject, prompt: str, tokens: int) -> JudgeRequest:
    """A text of the usual length, for counting what judging it would ask."""
    return JudgeRequest("word " * tokens, prompt, subject.concept)


def short_names(names: Sequence[str]) -> list[str]:
    """The last part of each name as a file is called, or all of it where two have the same last part."""
    last = [file_name(name.rsplit("/", 1)[-1]) for name in names]
    whole = [file_name(name.replace("/", "-")) for name in names]
    found = [each if last.count(each) == 1 else whole[i] for i, each in enumerate(last)]
    return [each if found.count(each) == 1 else f"{each}-{i + 1}" for i, each in enumerate(found)]


def file_name(text: str) -> str:
    """Letters, digits and . _ + - of a text, at most 60; never empty, never hidden."""
    return _FILE.sub("-", text).strip("-.")[:60] or "unnamed"


def content(path: Any) -> Any:
    """What a file or folder that an option names holds, as hashes; the name itself where it is none."""
    if not isinstance(path, str) or not Path(path).exists():
        return path
    root = Path(path)
    if root.is_file():
        return sha256_file(root)
    files = sorted(each for each in root.rglob("*") if each.is_file() and not each.name.startswith("."))
    return {each.relative_to(root).as_posix(): sha256_file(each) for each in files}
