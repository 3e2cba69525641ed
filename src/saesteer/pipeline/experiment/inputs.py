"""What an experiment works with, as far as it can be known without a model: concepts, prompts, texts, judges.

Knows files and registries. Whatever cannot be meant is refused here, before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from saesteer.errors import InputError, UnknownName
from saesteer.evaluation import split
from saesteer.judges import FingerprintedJudge, Judge, JudgeRequest, load_judge
from saesteer.judges.by_concept import JudgeByConcept
from saesteer.judges.judge import check_all, close_all
from saesteer.judges.making import parts
from saesteer.model import MODELS
from saesteer.model.loading import DTYPES
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.subjects import NOT_IN_NAMES, Subject, read_subjects
from saesteer.runs import sha256_file
from saesteer.steering import load_spec
from saesteer.text import Concept, read_prompts, read_texts
from saesteer.world.texts import openings

FILES: Final = ("effects", "scores", "d_ref")
"""Options of methods that may name files, whose content decides what is made."""


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
    if config.model.dtype not in DTYPES:
        raise UnknownName.of("dtype of the model", config.model.dtype, DTYPES)
    if config.model.device is not None:
        check_device(config.model.device, "model: device")
    subjects, notes = read_subjects(config)
    prompts = _prompts(config.prompts)
    if len(set(split(prompts).values())) < 2:
        raise InputError(
            f"prompts are half to choose by, half to report on, got {len(prompts)}; give two or more"
        )
    texts = None
    if config.texts is not None:
        found = [each.text for each in read_texts(config.texts.source)]
        texts = tuple(dict.fromkeys(found))[: config.texts.count]
        if not texts:
            raise InputError(f"{config.texts.source} holds no text; give some, or leave texts out")
    for method in config.methods:
        if method.spec is not None and not Path(method.spec).is_file():
            raise InputError(f"the method {method.name!r}: there is no file {method.spec}; check the path")
        if method.spec is not None:
            _check_spec(method.name, method.spec)
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


def _check_spec(name: str, path: str) -> None:
    try:
        load_spec(path)
    except InputError as error:
        raise InputError(f"the method {name!r}: {path} is no spec that can be read: {error}") from error


def check_device(name: str, where: str) -> None:
    """InputError where a name is of no device at all; whether this machine has it is seen when it is used."""
    try:
        torch.device(name)
    except RuntimeError as error:
        raise InputError(f"{where} is a device such as cpu or cuda:0, got {name!r}; mend it") from error


def _prompts(given: int | str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, int):
        return tuple(openings(given))
    if not isinstance(given, str):
        return tuple(given)
    found = tuple(dict.fromkeys(each.text for each in read_prompts(given)))
    if not found:
        raise InputError(f"{given} holds no prompt; give two or more")
    return found


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
    return asked + [{NOT_IN_NAMES.sub("_", each.name.casefold()): each.behaviour} for each in more]


def stand_in(subject: Subject, prompt: str, tokens: int) -> JudgeRequest:
    """A text of the usual length, for counting what judging it would ask."""
    return JudgeRequest("word " * tokens, prompt, subject.concept)


def content(path: Any) -> Any:
    """What a file or folder that an option names holds, as hashes; the name itself where it is none."""
    if not isinstance(path, str) or not Path(path).exists():
        return path
    root = Path(path)
    if root.is_file():
        return sha256_file(root)
    files = sorted(each for each in root.rglob("*") if each.is_file() and not each.name.startswith("."))
    return {each.relative_to(root).as_posix(): sha256_file(each) for each in files}
