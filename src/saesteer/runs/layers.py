"""Settings in several files, one laid over the other key by key. Knows mappings, not what they set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from saesteer.errors import InputError
from saesteer.runs.reading import read_yaml


def laid_over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are joined key by key; anything else of the upper one takes the lower one's place."""
    found = dict(lower)
    for key, value in upper.items():
        below = found.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        found[key] = laid_over(below, value) if both else value  # type: ignore[arg-type]
    return found


def read_fields(path: str | Path, over: Sequence[str | Path] = ()) -> dict[str, Any]:
    """The fields of a YAML file with those of each file of `over` laid over them; errors name the file."""
    found: dict[str, Any] = {}
    for each in (path, *over):
        fields = read_yaml(each)
        if not isinstance(fields, dict):
            found_there = "nothing" if fields is None else f"a {type(fields).__name__}"
            raise InputError(f"{each} holds {found_there}, not named fields; see --help")
        found = laid_over(found, fields)
    return found
