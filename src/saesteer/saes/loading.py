"""SAEs by name, path, release or hub id, in any format that is known. Nothing is unpickled."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from saesteer.errors import CorruptFile, InputError, NotAnSAE, ShapeMismatch, UnknownName
from saesteer.saes.config import DTYPES, SAEConfig
from saesteer.saes.loaders import FORMATS, Parts
from saesteer.saes.loaders.sae_lens import scale
from saesteer.saes.sae import SAE
from saesteer.saes.sources import Recognised, recognise
from saesteer.saes.tables import ARCHITECTURES

_OURS = "sae_lens"  # the layout that `save` writes


def load_sae(name: str | Path, device: str = "cpu", dtype: str | None = None, download: bool = True) -> SAE:
    """The SAE of a registered name ("world/layers.3"), a folder or file, `release/sae_id` or a hub id.

    A hub id is owner/repo or owner/repo/folder. `dtype`: of DTYPES, else the files'. Files of a format other
    than sae_lens' are noted in `cfg.metadata["converted_from"]`; `recognise` says what a name stands for.
    Without `download` the hub's files are taken from its local cache alone: for names out of a file.
    """
    if dtype is not None and dtype not in DTYPES:
        raise UnknownName.of("dtype", dtype, DTYPES)
    return read(recognise(name, download), device, dtype)


def read(which: Recognised, device: str = "cpu", dtype: str | None = None) -> SAE:
    """The SAE in files that have been recognised."""
    try:
        parts = _with_entry(which, FORMATS.get(which.format).read(which.found))
        cfg = replace(parts.cfg, dtype=dtype or parts.cfg.dtype, metadata=_noted(which, parts.cfg))
        sae = ARCHITECTURES.get(cfg.architecture)(cfg, parts.tensors)
    except CorruptFile:
        raise
    except ShapeMismatch as error:
        raise ShapeMismatch(f"{which.path}: {error}") from error
    except InputError as error:
        raise NotAnSAE(f"{which.path} is not an SAE that can be read: {error}") from error
    try:
        return sae.to(device).eval()
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA raises the second
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"the device {device!r} cannot be used ({reason}); try 'cpu'") from error


def _with_entry(which: Recognised, parts: Parts) -> Parts:
    """With what the catalogue knows better."""
    entry, cfg = which.entry, parts.cfg
    if entry is None:
        return parts
    known = {each.name for each in fields(SAEConfig)} - {"metadata"}
    ours: dict[str, Any] = {key: each for key, each in entry.overrides.items() if key in known}
    notes = {key: each for key, each in entry.overrides.items() if key not in known}
    ours.setdefault("model_name", cfg.model_name or entry.model)
    cfg = replace(cfg, **ours, metadata={**cfg.metadata, **notes})
    if entry.factor is None or cfg.normalize_activations != "expected_average_only_in":
        return Parts(cfg, parts.tensors)
    return Parts(replace(cfg, normalize_activations="none"), scale(parts.tensors, entry.factor))


def _noted(which: Recognised, cfg: SAEConfig) -> dict[str, Any]:
    """The metadata, with where it came from; no path of this machine."""
    notes = dict(cfg.metadata)
    if which.format != _OURS:
        notes["converted_from"] = which.format
    if which.hub:
        notes["hub"] = which.hub
    return notes
