"""What a format of SAE files is: a name, the files it consists of, and how they are read. Knows no format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from saesteer.errors import NotAnSAE
from saesteer.runs import read_json
from saesteer.saes.config import DTYPES, SAEConfig


@dataclass(frozen=True, eq=False)
class Parts:
    """All that an SAE is made of, in our terms."""

    cfg: SAEConfig
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Found:
    """Files that may be an SAE, and what they are called where they come from."""

    path: Path
    """A folder, or the one file of a format that is a file."""
    name: str
    """The hub's owner/repo/folder, or the path: some formats keep layer and model nowhere else."""

    def json(self, file: str) -> dict[str, Any]:
        """The mapping in a JSON file of the folder."""
        value = read_json(self.path / file)
        if not isinstance(value, dict):
            raise NotAnSAE(f"{self.path / file} holds a {type(value).__name__}, not the fields of an SAE")
        return value

    def search(self, pattern: str) -> re.Match[str] | None:
        """The last place in the name where `pattern` is found."""
        return next(reversed(list(re.finditer(pattern, self.name.replace("\\", "/")))), None)


@dataclass(frozen=True)
class Format:
    """One format: a line in FORMATS."""

    name: str
    about: str
    """What it looks like, for messages."""
    read: Callable[[Found], Parts]
    files: tuple[str, ...] = ()
    """Those of a folder, the first of which no other format has; empty where the format is one file."""
    optional: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    """Of the one file, where the format is a file."""
    more: Callable[[Path], Sequence[str]] | None = None
    """Further files that the files of the folder name."""

    def recognises(self, path: Path) -> bool:
        """Whether these are its files, by their names and what their index names."""
        if not self.files:
            return path.suffix in self.endings and path.is_file()
        return all((path / file).is_file() for file in self.files) and (
            not self.more or bool(self.more(path))
        )


def dtype_name(tensor: Tensor) -> str:
    """The name in DTYPES; NotAnSAE for another dtype."""
    for name, dtype in DTYPES.items():
        if tensor.dtype == dtype:
            return name
    raise NotAnSAE(f"its tensors are {tensor.dtype}; an SAE's are one of {', '.join(DTYPES)}")


def pick(tensors: Mapping[str, Tensor], names: Mapping[str, str], whose: str) -> dict[str, Tensor]:
    """The tensors under our names: `names` says which of theirs each of ours is."""
    if missing := sorted(set(names.values()) - tensors.keys()):
        raise NotAnSAE(
            f"{whose} has the tensors {', '.join(names.values())}; missing: {', '.join(missing)}; "
            f"it holds {', '.join(sorted(tensors)) or 'none'}"
        )
    return {ours: tensors[theirs] for ours, theirs in names.items()}


def matrix(tensor: Tensor, name: str) -> Tensor:
    """The tensor, which has two sides."""
    if tensor.ndim != 2:
        raise NotAnSAE(f"{name} is {list(tensor.shape)}, which is no matrix")
    return tensor


def whole(value: Any, name: str) -> int:
    """A whole number of a config, of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise NotAnSAE(f"{name} is a whole number of 1 or more, got {value!r}")
    return value
