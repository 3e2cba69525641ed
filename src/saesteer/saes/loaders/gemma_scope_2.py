"""Gemma Scope 2: `params.safetensors` and mostly `config.json`; JumpReLU SAEs and (skip-)transcoders.

google/gemma-scope-2-4b-pt/resid_post/layer_9_width_16k_l0_small/params.safetensors
"""

from __future__ import annotations

import re
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.saes.config import SAEConfig
from saesteer.saes.loaders.files import read_safetensors
from saesteer.saes.loaders.format import Format, Found, Parts, dtype_name, matrix, pick
from saesteer.saes.transcoder import transcoder_of

WEIGHTS: Final = "params.safetensors"
CONFIG: Final = "config.json"
_TENSORS: Final = {
    name: name[0].lower() + name[1:] for name in ("W_enc", "W_dec", "b_enc", "b_dec", "threshold")
}
_SKIP: Final = "affine_skip_connection"  # [d_in, d_out]
_MODULES: Final = {
    "output": "",
    "self_attn.o_proj.input": ".attn.heads",
    "pre_feedforward_layernorm.output": ".mlp.in",
    "post_feedforward_layernorm.output": ".mlp",
}
"""What it says of a block's module -> ours behind `layers.N`."""
_FOLDERS: Final = {
    "resid_post": ("output", None),
    "attn_out": ("self_attn.o_proj.input", None),
    "mlp_out": ("post_feedforward_layernorm.output", None),
    "transcoder": ("pre_feedforward_layernorm.output", "post_feedforward_layernorm.output"),
}
"""The same by the folder's name, where there is no config."""


def read(found: Found) -> Parts:
    raw = found.json(CONFIG) if (found.path / CONFIG).is_file() else {}
    if raw.get("architecture", "jump_relu") != "jump_relu":
        raise InputError(f"its architecture is {raw['architecture']!r}; Gemma Scope 2 has jump_relu")
    hook_name, hook_name_out = _hookpoints(found, raw)
    held = read_safetensors(found.path / WEIGHTS)
    tensors = pick(held, _TENSORS, f"Gemma Scope 2 ({WEIGHTS})")
    transcodes = hook_name_out is not None
    if _SKIP in held:
        tensors["W_skip"] = matrix(held[_SKIP], _SKIP).T
    if tensors["W_dec"].ndim != 2:
        raise InputError("it writes to several layers (a cross-layer transcoder), which cannot be read")
    cfg = SAEConfig(
        architecture=transcoder_of("jumprelu", _SKIP in held) if transcodes else "jumprelu",
        d_in=matrix(tensors["W_enc"], "w_enc").shape[0],
        d_sae=tensors["W_enc"].shape[1],
        hook_name=hook_name,
        model_name=_model(found, raw),
        d_out=tensors["W_dec"].shape[1] if transcodes else None,
        hook_name_out=hook_name_out or "",
        apply_b_dec_to_input=False,
        dtype=dtype_name(tensors["W_enc"]),
    )
    return Parts(cfg, tensors)


def _hookpoints(found: Found, raw: dict[str, Any]) -> tuple[str, str | None]:
    """In and out; out is None for an SAE and empty where it is not known."""
    given, out = raw.get("hf_hook_point_in"), raw.get("hf_hook_point_out")
    if isinstance(given, str):
        return _spelled(given), _spelled(out) if isinstance(out, str) else None
    site = next((each for each in _FOLDERS if found.search(rf"(?:^|/){each}")), None)
    layer = found.search(r"(?:^|/)layer_(\d+)")
    if site is None or layer is None:
        return "", None
    module, target = _FOLDERS[site]
    block = f"model.layers.{layer[1]}"
    return _spelled(f"{block}.{module}"), None if target is None else _spelled(f"{block}.{target}")


def _spelled(name: str) -> str:
    """Its name of a hookpoint in our spelling; as it is where there is none."""
    match = re.fullmatch(r"(?:model\.)?(?:language_model\.)?layers\.(\d+)\.(.+)", name)
    return f"layers.{match[1]}{_MODULES[match[2]]}" if match and match[2] in _MODULES else name


def _model(found: Found, raw: dict[str, Any]) -> str:
    name = raw.get("model_name")
    if not isinstance(name, str):
        match = found.search(r"gemma-scope-2-(\w+-(?:pt|it))")
        name = f"gemma-3-{match[1]}" if match else ""
    name = name.replace("-v3", "-3")
    return f"google/{name}" if name and "/" not in name else name


FORMAT: Final = Format(
    "gemma_scope_2", f"a folder with {WEIGHTS}", read, files=(WEIGHTS,), optional=(CONFIG,)
)
