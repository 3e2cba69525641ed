"""Concepts by name and from files. Knows where concepts come from, not what is done with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from saesteer.errors import InputError, UnknownName
from saesteer.names import Registry
from saesteer.parsing import parse_json, parse_yaml
from saesteer.text.concept import Concept, strings
from saesteer.text.sources import read_text, read_texts

# "world/wedding" is the target of "world" called with "wedding".
CONCEPTS: Registry[Callable[[str], Concept]] = Registry(
    "concept", {"world": "saesteer.world.assets:concept"}, group="saesteer.concepts"
)
_SUFFIXES = (".yaml", ".yml", ".json")
_FIELDS = tuple(each.name for each in fields(Concept))
_REQUIRED = tuple(each.name for each in fields(Concept) if each.default is MISSING)


def load_concept(concept: str | Path | Concept) -> Concept:
    """A concept by name ("world/wedding"), from a YAML or JSON file, or the concept itself."""
    if isinstance(concept, Concept):
        return concept
    if str(concept).endswith(_SUFFIXES):
        return _from_file(Path(concept))
    family, _, rest = str(concept).partition("/")
    if family in CONCEPTS and rest:
        return CONCEPTS.get(family)(rest)
    known = [f"{each}/..." for each in CONCEPTS.names()]
    raise UnknownName(
        f"unknown concept {str(concept)!r}; known: {', '.join(known)}, or the path of a .yaml or .json file"
    )


def bare_name(name: str) -> str:
    """A concept's name without the family that it is of: "wedding" of "world/wedding", all of "and/or"."""
    family, _, rest = name.partition("/")
    return rest if family in CONCEPTS and rest else name


def _from_file(path: Path) -> Concept:
    record = _mapping(path)
    unknown = sorted(map(str, record.keys() - set(_FIELDS)))
    if unknown:
        raise InputError(f"{path}: unknown field {unknown[0]!r}; a concept has {', '.join(_FIELDS)}")
    missing = [each for each in _REQUIRED if each not in record]
    if missing:
        raise InputError(f"{path}: the field {missing[0]!r} is missing; a concept has {', '.join(_FIELDS)}")
    lists = {each: _texts(record[each], path, each) for each in _FIELDS[2:] if each in record}
    try:
        return Concept(record["name"], record["description"], **lists)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _mapping(path: Path) -> Mapping[Any, Any]:
    text = read_text(path)
    try:
        record = parse_json(text) if path.suffix == ".json" else parse_yaml(text)
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise InputError(f"{path} is not valid {kind} ({error}); mend it") from error
    if not isinstance(record, Mapping):
        raise InputError(
            f"{path} holds no fields, got {type(record).__name__}; write name: ..., positive: ..."
        )
    return record


def _texts(value: object, path: Path, field: str) -> tuple[str, ...]:
    """The texts of a list, or of the file that `value` names, beside or below the concept's own file."""
    if not isinstance(value, str):
        return strings(value, f"{path}: {field}")
    base = path.resolve().parent
    file = (base / value).resolve()
    if not file.is_relative_to(base):
        raise InputError(f"{path}: {field} names {value!r}, outside of its folder; put the file beside it")
    return tuple(document.text for document in read_texts(file))
