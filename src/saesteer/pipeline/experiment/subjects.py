"""The concepts of an experiment, by name, from files or of task configs. Knows files; no judge, no model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from saesteer.effects import Task, read_tasks
from saesteer.errors import InputError, UnknownName
from saesteer.pipeline.experiment.choices import Tasks
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.steering.units import TEXTS
from saesteer.text import Concept, load_concept

NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9._+-]+")
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

    @property
    def for_methods(self) -> Concept:
        """The concept; one without texts with plain ones on both sides, on which units are then measured."""
        if self.has_texts:
            return self.concept
        return replace(self.concept, positive=TEXTS[::2], negative=TEXTS[1::2])


def read_subjects(config: ExperimentConfig) -> tuple[tuple[Subject, ...], tuple[str, ...]]:
    """The concepts of a config, and what was left out of them."""
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


def short_names(names: Sequence[str]) -> list[str]:
    """The last part of each name as a file is called, or all of it where two have the same last part."""
    last = [file_name(name.rsplit("/", 1)[-1]) for name in names]
    whole = [file_name(name.replace("/", "-")) for name in names]
    found = [each if last.count(each) == 1 else whole[i] for i, each in enumerate(last)]
    return [each if found.count(each) == 1 else f"{each}-{i + 1}" for i, each in enumerate(found)]


def file_name(text: str) -> str:
    """Letters, digits and . _ + - of a text, at most 60; never empty, never hidden."""
    return NOT_IN_NAMES.sub("-", text).strip("-.")[:60] or "unnamed"
