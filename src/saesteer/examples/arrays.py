"""A few arrays and what they are of, as two files of a folder. Knows no name of an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from saesteer.errors import CorruptFile, InputError
from saesteer.runs import read_json, write_bytes, write_json


def write_arrays(
    folder: str | Path, name: str, arrays: dict[str, np.ndarray], about: Mapping[str, Any]
) -> None:
    """`name`.safetensors and `name`.json."""
    write_bytes(Path(folder) / f"{name}.safetensors", safetensors.numpy.save(arrays))
    write_json(Path(folder) / f"{name}.json", about)


def read_arrays(folder: str | Path, name: str, arrays: Sequence[str], what: str) -> list[np.ndarray]:
    """The arrays by their names; InputError where there is no file, CorruptFile where it holds no `what`."""
    path = arrays_file(folder, name)
    if not path.is_file():
        raise InputError(f"there is no file {path}; check the path")
    try:
        found = safetensors.numpy.load_file(path)
        return [found[each] for each in arrays]
    except (SafetensorError, KeyError, OSError) as error:
        raise CorruptFile(f"{path} holds no {what} ({error}); make it anew") from error


def arrays_file(folder: str | Path, name: str) -> Path:
    """The file that errors name."""
    return Path(folder) / f"{name}.safetensors"


def read_about(folder: str | Path, name: str) -> Any:
    """What the arrays are of."""
    return read_json(Path(folder) / f"{name}.json")
