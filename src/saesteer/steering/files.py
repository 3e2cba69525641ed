"""Specs on disk: one YAML or JSON file, and each tensor as safetensors beside it. Knows records, not specs.

A tensor's file carries the start of its hash in its name, so that saving over an older spec never changes a
tensor that the older file means; the record is written last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import yaml
from safetensors import SafetensorError
from torch import Tensor

from saesteer.errors import BadSpec, CorruptFile, InputError
from saesteer.runs import (
    contained,
    plain,
    read_json,
    read_yaml,
    sha256_bytes,
    write_bytes,
    write_json,
    write_text,
)

KEY: Final = "tensor"  # the one tensor of a file
LARGEST: Final = 2**30  # bytes of a tensor file: a direction has kilobytes
LARGEST_RECORD: Final = {"yaml": 2**20, "json": 2**26}
"""Bytes of a record, which are read within seconds to a minute; the reader of YAML is slow."""


def tensor_bytes(value: Tensor) -> bytes:
    """The safetensors file of one tensor; the same for equal tensors."""
    return safetensors.torch.save({KEY: value})


def tensor_sha256(value: Tensor) -> str:
    """The hash of that file."""
    return sha256_bytes(tensor_bytes(value))


def tensor_file(path: Path, name: str, sha256: str) -> str:
    """The file of the tensor `name` beside the spec at `path`."""
    return f"{path.stem}.{name}.{sha256[:8]}.safetensors"


def write_record(path: Path, record: dict[str, Any], tensors: Mapping[str, Tensor], as_json: bool) -> None:
    """Write the tensors (file name -> tensor), then the record that names them, as JSON or YAML."""
    text = "" if as_json else yaml.safe_dump(plain(record), sort_keys=False, allow_unicode=True, width=110)
    if len(text.encode()) > LARGEST_RECORD["yaml"]:
        raise BadSpec(f"the spec is {len(text)} letters of YAML, too many to read again; save it as .json")
    new = [file for name in tensors if not (file := contained(path.parent, name)).exists()]
    try:
        for name, value in tensors.items():
            write_bytes(contained(path.parent, name), tensor_bytes(value))
        if as_json:
            write_json(path, record)
        else:
            write_text(path, text)
    except BaseException:  # a full disk or Ctrl-C: no tensors that no record names
        for file in new:
            file.unlink(missing_ok=True)
        raise


def read_record(path: Path, as_json: bool) -> Any:
    """The record in a YAML or JSON file, by the safe loader."""
    if path.is_file() and path.stat().st_size > LARGEST_RECORD["json" if as_json else "yaml"]:
        raise InputError(f"{path} has {path.stat().st_size} bytes, too many for a spec; check it")
    try:
        return read_json(path) if as_json else read_yaml(path)
    except RecursionError as error:
        raise BadSpec(f"{path} is nested too deeply to be a spec; mend it") from error


def read_tensor(folder: Path, file: str, sha256: str | None) -> Tensor:
    """The one tensor of a file inside `folder`; CorruptFile where its hash is not `sha256`."""
    path = contained(folder, file)
    if not path.is_file():
        raise InputError(f"there is no file {path}; a spec's tensors lie beside it")
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path} has {path.stat().st_size} bytes, too many for a steering tensor; check it")
    data = path.read_bytes()
    found = sha256_bytes(data)
    if sha256 is not None and found != sha256:
        raise CorruptFile(f"{path} has the hash {found[:12]} but the spec says {sha256[:12]}; get it anew")
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise CorruptFile(f"{path} is not a whole safetensors file ({error}); get it anew") from error
    if len(tensors) != 1:
        raise InputError(f"{path} holds the tensors {sorted(tensors)}; a file of a spec holds exactly one")
    return next(iter(tensors.values()))
