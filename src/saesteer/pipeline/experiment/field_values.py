"""The fields of an experiment as a file gives them, each made into what the config holds. Loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.evaluation import Writing
from saesteer.pipeline.experiment.choices import (
    ModelChoice,
    SAEChoice,
    Samples,
    SideEffectChoice,
    Tasks,
    TextSource,
)
from saesteer.pipeline.experiment.method_choice import MethodChoice, numbers
from saesteer.runs.fields import is_quoted, made, said


def _record(kind: Any, first: str, where: str) -> Any:
    """A reader of a record: a mapping of its fields, or its first field alone."""
    return lambda value: made(kind, value if isinstance(value, Mapping) else {first: value}, where)


def _listed(value: Any, where: str) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple):
        raise InputError(f"{where} is a list of texts, {said(value)}")
    for number, each in enumerate(found):
        if not isinstance(each, str) or not each.strip():
            raise InputError(f"{where}[{number}] is a text that is not empty, got {each!r:.200}; mend it")
    if len(set(found)) < len(found):
        twice = next(each for each in found if found.count(each) > 1)
        raise InputError(f"{where} names {twice!r:.200} twice; name each once")
    return tuple(found)


def _concepts(value: Any) -> tuple[str, ...] | Tasks:
    if isinstance(value, Mapping):
        found: Tasks = made(Tasks, value, "concepts")
        return found
    return _listed(value, "concepts")


def _saes(value: Any) -> dict[str, SAEChoice]:
    if not isinstance(value, Mapping):
        raise InputError(f"saes are names with sources ({{s: world/layers.3}}), {said(value)}")
    for name in value:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"a name of saes is a text, got {name!r}; put quotes around it")
    return {name: _record(SAEChoice, "source", f"saes: {name}")(each) for name, each in value.items()}


def _prompts(value: Any) -> int | str | tuple[str, ...]:
    if isinstance(value, str) and value.strip() and not is_quoted(value):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, list | tuple):
        raise InputError(f"prompts is a whole number, a file or a list of texts, {said(value)}")
    return _listed(value, "prompts")


def _judges(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"judges are a list of judges, got {value!r:.200}; put brackets around it")
    return tuple(value)


def _methods(value: Any) -> tuple[MethodChoice, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"methods are a list, got {value!r:.200}; put brackets around it")
    return tuple(MethodChoice.of(each, number) for number, each in enumerate(value))


def _seeds(value: Any) -> tuple[int, ...]:
    found = value if isinstance(value, list | tuple) else [value]
    for each in found:
        if isinstance(each, bool) or not isinstance(each, int):
            raise InputError(f"seeds are whole numbers, {said(each)}")
    return tuple(found)


def _side_effects(value: Any) -> SideEffectChoice | None:
    if value is None or value is False:
        return None
    if value is not True and not isinstance(value, Mapping):
        raise InputError(f"side_effects is true, false or a mapping such as {{tokens: 50}}, {said(value)}")
    found: SideEffectChoice = made(SideEffectChoice, {} if value is True else value, "side_effects")
    return found


READ: Final[Mapping[str, Any]] = {
    "model": _record(ModelChoice, "name", "model"),
    "saes": _saes,
    "concepts": _concepts,
    "prompts": _prompts,
    "texts": lambda value: None if value is None else _record(TextSource, "source", "texts")(value),
    "judges": _judges,
    "methods": _methods,
    "strengths": lambda value: numbers(value, "strengths"),
    "seeds": _seeds,
    "samples": _record(Samples, "test", "samples"),
    "writing": _record(Writing, "max_new_tokens", "writing"),
    "side_effects": _side_effects,
}
"""Field -> what reads it; those without need only their type."""
