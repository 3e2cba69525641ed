"""A training run's state as one safetensors file, whole or not at all; it is refused for any other run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from saesteer.errors import CorruptFile, InputError
from saesteer.runs import write_bytes


def save_checkpoint(
    path: Path, run: Mapping[str, Any], progress: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write the state over the former one. `run`: what makes this run itself; `progress`: how far it is."""
    notes = {"run": json.dumps(run, sort_keys=True), "progress": json.dumps(progress)}
    plain = {name: each.detach().cpu().contiguous() for name, each in tensors.items()}
    write_bytes(path, safetensors.torch.save(plain, metadata=notes))


def load_checkpoint(path: Path, run: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Progress and tensors, or None where there is no file."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            notes = file.metadata() or {}
            # Copies: a tensor in the file lies at any address, and the last bits of sums follow the address.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        theirs, progress = json.loads(notes["run"]), json.loads(notes["progress"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CorruptFile(f"{path} is not a whole checkpoint ({error}); remove it to start anew") from error
    ours = json.loads(json.dumps(run))
    different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if different:
        what = ", ".join(f"its {n} is {theirs.get(n)!r}, here {ours.get(n)!r}" for n in different[:3])
        raise InputError(
            f"{path} is of another run: {what}; remove it to start anew or name another folder or file"
        )
    return progress, tensors
