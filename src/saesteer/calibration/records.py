"""Figures and outcomes as JSON, infinite numbers included, and back; whether saved files are whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from saesteer.errors import CorruptFile
from saesteer.evaluation import Figures, Outcome, Setting
from saesteer.runs import sha256_file
from saesteer.statistics import Interval


def check_saved(folder: Path, sha256: Mapping[str, str], again: str) -> None:
    """CorruptFile unless the files of `sha256` are those that were saved; `again`: what to do then."""
    for name, expected in sha256.items():
        if not (folder / name).is_file():
            raise CorruptFile(f"{folder / name} is not there; {again}")
        if sha256_file(folder / name) != expected:
            raise CorruptFile(f"{folder / name} was changed since it was saved; {again}")


def as_json(value: Any) -> Any:
    """Records become mappings, and numbers that JSON cannot hold become text that `float` reads."""
    if hasattr(value, "__dataclass_fields__"):
        return {each.name: as_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    return value


def read_interval(record: Any) -> Interval | None:
    """None stays None."""
    return record and Interval(**{name: float(value) for name, value in record.items()})


def read_number(value: Any) -> float | None:
    """Also of text such as inf."""
    return None if value is None else float(value)


def read_figures(record: Any) -> Figures | None:
    """None stays None; records of before there were further figures lack them."""
    if record is None:
        return None
    names = ("behaviour", "coherence", "product", "mean_product", "harmonic")
    intervals: dict[str, Any] = {name: read_interval(record.get(name)) for name in names}
    intervals["others"] = {name: read_interval(each) for name, each in record.get("others", {}).items()}
    others = {
        name: read_number(record[name]) for name in ("lenient", "perplexity", "distinct_1", "distinct_2")
    }
    return Figures(**{**record, **intervals, **others})


def read_outcome(record: Any) -> Outcome | None:
    """None stays None."""
    if record is None:
        return None
    kept: dict[str, Any] = {name: read_figures(record[name]) for name in ("figures", "base")}
    kept |= {name: read_interval(record[name]) for name in ("ratio", "lift")}
    return Outcome(setting=Setting(**record["setting"]), **kept)
