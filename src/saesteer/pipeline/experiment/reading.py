"""A file of an experiment, others laid over it, and values by name; paths are beside the file they stand in.

Knows files and fields; what they mean is config.py's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.model import MODELS
from saesteer.parsing import parse_yaml
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.inputs import FILES
from saesteer.runs import laid_over, read_fields
from saesteer.text import CONCEPTS

_FILES: Final = (".yaml", ".yml", ".json", ".jsonl", ".csv", ".parquet", ".txt", ".pt")


def read_experiment(
    path: str | Path, over: Sequence[str | Path] = (), settings: Sequence[str] = ()
) -> ExperimentConfig:
    """The experiment of a YAML file; each file of `over` is laid over it key by key, then `settings`.

    A list of the upper file takes the place of the lower one's. `settings`: "samples.test=4", values as YAML.
    """
    found: dict[str, Any] = {}
    for each in (path, *over):
        found = laid_over(found, _beside(read_fields(each), Path(each).resolve().parent))
    for text in settings:
        found = laid_over(found, _beside(_setting(text), Path.cwd()))
    return ExperimentConfig.from_dict(found)


def _setting(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    parts = [each.strip().replace("-", "_") for each in name.split(".")]
    if not equals or not all(parts):
        raise InputError(f"--set is KEY=VALUE, such as samples.test=4, got {text!r}; mend it")
    if not value.strip():
        raise InputError(
            f"--set {name}= says no value; write {name}='\"\"' for an empty text, {name}=null for none"
        )
    try:
        found: Any = parse_yaml(value)
    except ValueError as error:
        raise InputError(f"--set {name}: {value!r} is no value ({error}); quote it") from error
    for part in reversed(parts):
        found = {part: found}
    return dict(found)


def _beside(given: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The fields with their paths made whole."""
    found = dict(given)
    place: Mapping[str, Any] = {
        "model": lambda value: _field(value, "name", base),
        "saes": lambda value: _each(value, lambda each: _field(each, "source", base)),
        "concepts": lambda value: _concepts(value, base),
        "prompts": lambda value: _path(value, base),
        "texts": lambda value: _field(value, "source", base),
        "judge": lambda value: _judge(value, base),
        "judges": lambda value: _items(value, lambda each: _judge(each, base)),
        "methods": lambda value: _items(value, lambda each: _method(each, base)),
    }
    return {key: place[key](value) if key in place else value for key, value in found.items()}


def _path(value: Any, base: Path) -> Any:
    """A text that names a file or folder beside `base` as its whole path; names and addresses stay."""
    if not isinstance(value, str) or not value or Path(value).is_absolute():
        return value
    known = value.split("/")[0] in CONCEPTS or value in MODELS
    if known or ":" in value.split("/")[0]:
        return value
    there = base / Path(value).expanduser()
    return str(there) if there.exists() or value.endswith(_FILES) else value


def _field(value: Any, name: str, base: Path) -> Any:
    if isinstance(value, Mapping):
        return {key: _path(each, base) if key == name else each for key, each in value.items()}
    return _path(value, base)


def _items(value: Any, change: Any) -> Any:
    return [change(each) for each in value] if isinstance(value, list | tuple) else value


def _each(value: Any, change: Any) -> Any:
    return {key: change(each) for key, each in value.items()} if isinstance(value, Mapping) else value


def _concepts(value: Any, base: Path) -> Any:
    if isinstance(value, Mapping):
        return _field(value, "tasks", base)
    return _path(value, base) if isinstance(value, str) else _items(value, lambda each: _path(each, base))


def _judge(value: Any, base: Path) -> Any:
    """A line whose text is a folder (classifier:FOLDER, llm:hf:FOLDER), or a mapping with a cache."""
    if isinstance(value, Mapping):
        own = {key: _judge(each, base) if key == "judge" else each for key, each in value.items()}
        return own | ({"cache": str(base / own["cache"])} if isinstance(own.get("cache"), str) else {})
    if not isinstance(value, str) or ":" not in value:
        return value
    head, _, last = value.rpartition(":")
    return f"{head}:{base / last}" if last and not last.startswith("/") and (base / last).exists() else value


def _method(value: Any, base: Path) -> Any:
    if not isinstance(value, Mapping):
        return value
    own = _field(value, "spec", base)
    if isinstance(own.get("options"), Mapping):
        changed = {key: _path(each, base) if key in FILES else each for key, each in own["options"].items()}
        own["options"] = changed
    return own
