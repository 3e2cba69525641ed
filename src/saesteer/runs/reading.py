"""Files read safely: plain data only, and one clear line when a file is missing, odd or torn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saesteer.errors import CorruptFile, InputError
from saesteer.parsing import parse_json, parse_yaml


def read_json(path: str | Path) -> Any:
    """The value in a JSON file; InputError where it is missing, CorruptFile where it is no JSON."""
    try:
        return parse_json(_text(Path(path)))
    except ValueError as error:
        raise CorruptFile(f"{path} is not valid JSON ({error}); make it anew") from error


def read_yaml(path: str | Path) -> Any:
    """The value in a YAML file, by the safe loader: no object is ever built from it."""
    try:
        return parse_yaml(_text(Path(path)))
    except ValueError as error:
        raise InputError(f"{path} is not valid YAML ({error}); mend it") from error


def read_parquet(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    if not Path(path).is_file():
        raise InputError(f"there is no file {path}; check the path")
    try:
        return list(parquet.read_table(path, partitioning=None).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise CorruptFile(f"{path} is not a whole Parquet file ({error}); make it anew") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check it") from error
