"""YAML and JSON: the record of a spec, and each tensor as safetensors beside it. Both hold every spec."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from saesteer.errors import BadSpec
from saesteer.steering import files
from saesteer.steering.formats.format import Format
from saesteer.steering.spec import SteeringSpec


def read(path: Path, as_json: bool) -> SteeringSpec:
    """The spec, with the tensors that lie beside it."""
    record = files.read_record(path, as_json)
    try:
        return SteeringSpec.from_dict(record, folder=path.parent)
    except BadSpec as error:
        raise BadSpec(f"{path}: {error}") from error


def write(spec: SteeringSpec, path: Path, as_json: bool) -> SteeringSpec:
    """The tensors first, then the record that names them."""
    refs = {key: each.saved(path, key) for key, each in spec.tensors.items()}
    saved = replace(spec, tensors=refs)
    held = {each.file: each.value for each in refs.values() if each.file and each.value is not None}
    files.write_record(path, saved.to_dict(), held, as_json)
    return saved


YAML: Final = Format(
    "yaml", "every spec; tensors beside it", partial(read, as_json=False), partial(write, as_json=False)
)
JSON: Final = Format(
    "json", "every spec; tensors beside it", partial(read, as_json=True), partial(write, as_json=True)
)
