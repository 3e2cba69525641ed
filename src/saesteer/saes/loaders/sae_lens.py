"""The sae_lens folder, all versions: `cfg.json` and `sae_weights.safetensors`; our own layout too.

Also the checkpoints that its trainer leaves: BatchTopK and Matryoshka with one `topk_threshold`, and weights
for activations that are still to be scaled or whitened by the files beside them, which are folded in here. A
`sparsity.safetensors` is passed over.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor

from saesteer.errors import InputError, NotAnSAE
from saesteer.saes.config import SAEConfig
from saesteer.saes.loaders.files import read_safetensors
from saesteer.saes.loaders.format import Format, Found, Parts
from saesteer.saes.sae import CFG_FILE, WEIGHTS_FILE, check_tensors
from saesteer.saes.tables import ARCHITECTURES
from saesteer.saes.topk import fold_norms

SCALER: Final = "activation_scaler.json"
WHITENING: Final = "activation_whitening.safetensors"
_BATCH: Final = {"batchtopk", "matryoshka_batchtopk"}
_GATES: Final = {"b_enc", "b_gate"}  # biases that stand beside W_enc as it is


def read(found: Found) -> Parts:
    raw = found.json(CFG_FILE)
    tensors = read_safetensors(found.path / WEIGHTS_FILE)
    ones = tensors.get("scaling_factor")  # some old files carry one that is 1 everywhere
    if ones is not None and bool((ones == torch.ones_like(ones)).all()):
        del tensors["scaling_factor"]
    trained = str(raw.get("architecture")) in _BATCH
    used = _used(raw, tensors) if trained else raw
    whitened = used.get("normalize_activations") == "covariance_whitening"
    cfg = SAEConfig.from_dict({**used, "normalize_activations": "none"} if whitened else used)
    check_tensors(ARCHITECTURES.get(cfg.architecture).shapes_of(cfg), cfg, tensors)
    rescaled = trained and bool(raw.get("rescale_acts_by_decoder_norm"))
    if whitened:
        if rescaled or cfg.rescale_acts_by_decoder_norm:  # by the norms in the space of training
            cfg, tensors, rescaled = (
                replace(cfg, rescale_acts_by_decoder_norm=False),
                fold_norms(tensors),
                False,
            )
        tensors = _unwhitened(cfg, tensors, _whitening(found, cfg))
    elif (factor := _factor(found, cfg)) is not None:
        cfg, tensors = replace(cfg, normalize_activations="none"), scale(tensors, factor)
        if rescaled:
            tensors["threshold"] = tensors["threshold"] / factor  # the norms that it compares with shrank
    return Parts(cfg, fold_norms(tensors) if rescaled else tensors)


def scale(tensors: Mapping[str, Tensor], factor: float) -> dict[str, Tensor]:
    """The same SAE for activations that have not been multiplied by `factor` (`expected_average_only_in`)."""
    if not (math.isfinite(factor) and factor > 0):
        raise NotAnSAE(f"the factor of its activations is a positive number, got {factor!r}")
    times = {"W_enc": factor, "W_dec": 1 / factor, "b_dec": 1 / factor}
    return {name: each * times.get(name, 1) for name, each in tensors.items()}


def _used(raw: Mapping[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    """BatchTopK and Matryoshka as they are used, a JumpReLU with one threshold for all latents."""
    threshold = tensors.pop("topk_threshold", None)
    if threshold is None or threshold.numel() != 1 or "b_enc" not in tensors:
        raise NotAnSAE(f"a {raw['architecture']} SAE has W_enc, W_dec, b_enc, b_dec and one topk_threshold")
    tensors["threshold"] = threshold.to(tensors["b_enc"].dtype).reshape(()).expand(tensors["b_enc"].shape)
    kept = {key: each for key, each in raw.items() if key not in {"k", "rescale_acts_by_decoder_norm"}}
    notes = raw.get("metadata")
    trained = {"trained_as": raw["architecture"], "trained_k": raw.get("k")}
    kept["metadata"] = {**(notes if isinstance(notes, dict) else {}), **trained}
    return {**kept, "architecture": "jumprelu"}


def _factor(found: Found, cfg: SAEConfig) -> float | None:
    """That of a training checkpoint, or None where it is folded in already."""
    if cfg.normalize_activations != "expected_average_only_in" or not (found.path / SCALER).is_file():
        return None
    factor = found.json(SCALER).get("scaling_factor")
    if isinstance(factor, bool) or not isinstance(factor, int | float | None):
        raise NotAnSAE(f"scaling_factor of {found.path / SCALER} is a number, got {reprlib.repr(factor)}")
    return None if factor is None else float(factor)


def _whitening(found: Found, cfg: SAEConfig) -> dict[str, Tensor]:
    """x' = (x - mean) matrix and xhat = xhat' inverse_matrix + mean, of a training checkpoint."""
    if not (found.path / WHITENING).is_file():
        raise InputError(
            f"its weights are for whitened activations but there is no {WHITENING} beside them; "
            "save it with sae_lens once training is done, which folds the whitening in"
        )
    if cfg.transcodes:
        raise InputError("a transcoder of whitened activations cannot be read; train it on plain ones")
    white, d_in = read_safetensors(found.path / WHITENING), cfg.d_in
    shapes = {"mean": (d_in,), "matrix": (d_in, d_in), "inverse_matrix": (d_in, d_in)}
    if any(name not in white or tuple(white[name].shape) != shape for name, shape in shapes.items()):
        raise NotAnSAE(f"{WHITENING} has mean, matrix and inverse_matrix for a width of {d_in}")
    return white


def _unwhitened(
    cfg: SAEConfig, tensors: Mapping[str, Tensor], white: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The same SAE for activations as they come."""
    wide = {name: each.double() for name, each in tensors.items()}
    mean, forth, back = (white[name].double() for name in ("mean", "matrix", "inverse_matrix"))
    W_enc = forth @ wide["W_enc"]
    folded = {"W_enc": W_enc, "W_dec": wide["W_dec"] @ back, "b_dec": wide["b_dec"] @ back + mean}
    if not cfg.apply_b_dec_to_input:  # else b_dec, which holds the mean now, is subtracted
        shift = mean @ W_enc
        folded |= {name: wide[name] - shift for name in _GATES & wide.keys()}
        if "b_mag" in wide:
            folded["b_mag"] = wide["b_mag"] - shift * wide["r_mag"].exp()
    return {**tensors, **{name: each.to(tensors[name].dtype) for name, each in folded.items()}}


FORMAT: Final = Format(
    "sae_lens",
    f"a folder with {CFG_FILE} and {WEIGHTS_FILE}",
    read,
    files=(WEIGHTS_FILE, CFG_FILE),
    optional=(SCALER, WHITENING),
)
