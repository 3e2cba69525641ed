"""The sae_lens folder, all versions: `cfg.json` and `sae_weights.safetensors`; our own layout too.

Also the checkpoints that its trainer leaves: BatchTopK and Matryoshka with one `topk_threshold`, and weights
for activations that are still to be scaled or whitened by the files beside them, which are folded in here. A
`sparsity.safetensors` is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from saesteer.errors import InputError, NotAnSAE
from saesteer.saes.config import SAEConfig
from saesteer.saes.loaders.files import read_safetensors
from saesteer.saes.loaders.format import Format, Found, Parts, matrix
from saesteer.saes.sae import CFG_FILE, WEIGHTS_FILE
from saesteer.saes.topk import fold_norms

SCALER: Final = "activation_scaler.json"
WHITENING: Final = "activation_whitening.safetensors"
_BATCH: Final = {"batchtopk", "matryoshka_batchtopk"}
_GATES: Final = {"b_enc", "b_gate"}  # biases that stand beside W_enc as it is


def read(found: Found) -> Parts:
    raw = found.json(CFG_FILE)
    tensors = read_safetensors(found.path / WEIGHTS_FILE)
    factor = tensors.get("scaling_factor")  # some old files carry one that is 1 everywhere
    if factor is not None and bool((factor == torch.ones_like(factor)).all()):
        del tensors["scaling_factor"]
    raw, tensors = _scaled(found, raw, tensors)
    raw, tensors = _whitened(found, raw, tensors)
    raw, tensors = _trained(raw, tensors)
    return Parts(SAEConfig.from_dict(raw), tensors)


def scale(tensors: Mapping[str, Tensor], factor: float) -> dict[str, Tensor]:
    """The same SAE for activations that have not been multiplied by `factor` (`expected_average_only_in`)."""
    if not (math.isfinite(factor) and factor > 0):
        raise NotAnSAE(f"the factor of its activations is a positive number, got {factor!r}")
    times = {"W_enc": factor, "W_dec": 1 / factor, "b_dec": 1 / factor}
    return {name: each * times.get(name, 1) for name, each in tensors.items()}


def _scaled(found: Found, raw: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict, dict]:
    """With the factor of a training checkpoint folded in."""
    if raw.get("normalize_activations") != "expected_average_only_in" or not (found.path / SCALER).is_file():
        return raw, tensors
    factor = found.json(SCALER).get("scaling_factor")
    if factor is None:
        return raw, tensors
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        raise NotAnSAE(f"scaling_factor of {found.path / SCALER} is a number, got {factor!r}")
    tensors = scale(tensors, float(factor))
    if "topk_threshold" in tensors and raw.get("rescale_acts_by_decoder_norm"):
        tensors["topk_threshold"] = tensors["topk_threshold"] / factor  # the norms it compares with shrank
    return {**raw, "normalize_activations": "none"}, tensors


def _whitened(found: Found, raw: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict, dict]:
    """With the whitening of a training checkpoint folded in: x' = (x - mean) M, xhat = xhat' M^-1 + mean."""
    if raw.get("normalize_activations") != "covariance_whitening":
        return raw, tensors
    if not (found.path / WHITENING).is_file():
        raise InputError(
            f"its weights are for whitened activations but there is no {WHITENING} beside them; "
            "save it with sae_lens once training is done, which folds the whitening in"
        )
    white = read_safetensors(found.path / WHITENING)
    d_in = tensors["W_enc"].shape[0] if "W_enc" in tensors else 0
    shapes = {"mean": (d_in,), "matrix": (d_in, d_in), "inverse_matrix": (d_in, d_in)}
    for name, shape in shapes.items():
        if name not in white or tuple(white[name].shape) != shape:
            raise NotAnSAE(f"{WHITENING} has mean, matrix and inverse_matrix for a width of {d_in}")
    return {**raw, "normalize_activations": "none"}, _unwhitened(raw, tensors, white)


def _unwhitened(
    raw: Mapping[str, Any], tensors: Mapping[str, Tensor], white: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    wide = {name: each.double() for name, each in tensors.items()}
    mean, forth, back = (white[name].double() for name in ("mean", "matrix", "inverse_matrix"))
    W_enc = forth @ wide["W_enc"]
    folded = {"W_enc": W_enc, "W_dec": wide["W_dec"] @ back, "b_dec": wide["b_dec"] @ back + mean}
    if not raw.get("apply_b_dec_to_input", True):  # else b_dec, which holds the mean now, is subtracted
        shift = mean @ W_enc
        folded |= {name: wide[name] - shift for name in _GATES & wide.keys()}
        if "b_mag" in wide:
            folded["b_mag"] = wide["b_mag"] - shift * wide["r_mag"].exp()
    return {**tensors, **{name: each.to(tensors[name].dtype) for name, each in folded.items()}}


def _trained(raw: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict, dict]:
    """BatchTopK and Matryoshka as they are used: a JumpReLU with one threshold for all latents."""
    if raw.get("architecture") not in _BATCH:
        return raw, tensors
    threshold = tensors.pop("topk_threshold", None)
    if threshold is None or threshold.numel() != 1 or not {"W_enc", "W_dec", "b_enc"} <= tensors.keys():
        raise NotAnSAE(f"a {raw['architecture']} SAE has W_enc, W_dec, b_enc, b_dec and one topk_threshold")
    if raw.get("rescale_acts_by_decoder_norm"):
        tensors = fold_norms(tensors)
    width = matrix(tensors["W_enc"], "W_enc").shape[1]
    tensors["threshold"] = threshold.reshape(1).to(tensors["W_enc"].dtype).expand(width)
    notes = raw.get("metadata") if isinstance(raw.get("metadata"), dict) else {}
    k = {"trained_as": raw["architecture"], "trained_k": raw.get("k")}
    kept = {key: each for key, each in raw.items() if key not in {"k", "rescale_acts_by_decoder_norm"}}
    return {**kept, "architecture": "jumprelu", "metadata": {**notes, **k}}, tensors


FORMAT: Final = Format(
    "sae_lens",
    f"a folder with {CFG_FILE} and {WEIGHTS_FILE}",
    read,
    files=(WEIGHTS_FILE, CFG_FILE),
    optional=(SCALER, WHITENING),
)
