"""SAEs by name or folder in the sae_lens layout: `cfg.json` and `sae_weights.safetensors`; no other format.

A `sparsity.safetensors` beside them is passed over. Nothing is unpickled.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from saesteer.errors import CorruptFile, InputError, NotAnSAE, ShapeMismatch, UnknownName
from saesteer.runs import read_json
from saesteer.saes.config import DTYPES, SAEConfig
from saesteer.saes.sae import CFG_FILE, SAE, WEIGHTS_FILE
from saesteer.saes.tables import ARCHITECTURES, SAES


def load_sae(name: str | Path, device: str = "cpu", dtype: str | None = None) -> SAE:
    """The SAE of a registered name ("world/layers.3") or a folder; `dtype`: of DTYPES, else the folder's."""
    if dtype is not None and dtype not in DTYPES:
        raise UnknownName.of("dtype", dtype, DTYPES)
    return _from_folder(_folder(name), device, dtype)


def _folder(name: str | Path) -> Path:
    if isinstance(name, str) and name in SAES:
        return SAES.get(name)()
    if os.path.isdir(name):  # not Path.is_dir, which raises for a name that is too long
        return Path(name)
    if os.path.exists(name):
        raise NotAnSAE(f"{name} is a file; give the folder with {CFG_FILE} and {WEIGHTS_FILE}")
    unknown = UnknownName.of("SAE", name, SAES.names())
    raise NotAnSAE(f"{unknown}; nor is there a folder of this name") from unknown


def _from_folder(folder: Path, device: str, dtype: str | None) -> SAE:
    for file in (CFG_FILE, WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise NotAnSAE(
                f"{folder} is not an SAE: there is no {file}; "
                f"the sae_lens layout has {CFG_FILE} and {WEIGHTS_FILE}"
            )
    raw = read_json(folder / CFG_FILE)
    if not isinstance(raw, dict):
        raise NotAnSAE(f"{folder / CFG_FILE} holds a {type(raw).__name__}, not the fields of an SAE")
    try:
        cfg = SAEConfig.from_dict(raw)
        architecture = ARCHITECTURES.get(cfg.architecture)
        cfg = replace(cfg, dtype=dtype or cfg.dtype)
        sae = architecture(cfg, _read_tensors(folder / WEIGHTS_FILE))
    except CorruptFile:
        raise
    except ShapeMismatch as error:
        raise ShapeMismatch(f"{folder}: {error}") from error
    except InputError as error:
        raise NotAnSAE(f"{folder} is not an SAE that can be read: {error}") from error
    try:
        return sae.to(device).eval()
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA raises the second
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"the device {device!r} cannot be used ({reason}); try 'cpu'") from error


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CorruptFile(f"{path} is not a whole safetensors file ({error}); get it anew") from error
    factor = tensors.get("scaling_factor")  # some old files carry one that is 1 everywhere
    if factor is not None and bool((factor == torch.ones_like(factor)).all()):
        del tensors["scaling_factor"]
    return tensors
