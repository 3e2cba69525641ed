"""The folder of eai-sparsify: `cfg.json` and `sae.safetensors`; SAEs, transcoders and skip-transcoders, TopK.

It is called after its hookpoint, a module's path from the base model, and its parent's `config.json` says the
model. Source: eai-sparsify 1.3.3.
"""

from __future__ import annotations

import re
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.runs import read_json
from saesteer.saes.config import SAEConfig
from saesteer.saes.loaders.files import read_safetensors
from saesteer.saes.loaders.format import Format, Found, Parts, dtype_name, matrix, pick, whole
from saesteer.saes.transcoder import transcoder_of

WEIGHTS: Final = "sae.safetensors"
CFG: Final = "cfg.json"
_TENSORS: Final = {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "W_dec", "b_dec": "b_dec"}
# Models whose block normalises what attention and MLP put out: the module is not what our name means.
_NORM_AFTER: Final = re.compile("gemma-?[23]|olmo-?2", re.IGNORECASE)
_PARTS: Final = {None, ".mlp", ".attn"}  # that are ours too


def read(found: Found) -> Parts:
    raw = found.json(CFG)
    if raw.get("activation", "topk") != "topk" or raw.get("signed"):
        kind = "signed topk" if raw.get("signed") else raw.get("activation")
        raise InputError(f"its activation is {kind!r}; only plain topk of sparsify can be read")
    transcodes, skips = bool(raw.get("transcode")), bool(raw.get("skip_connection"))
    if skips and not transcodes:
        raise InputError("it has a skip connection without being a transcoder, which reconstructs x from x")
    names = _TENSORS | ({"W_skip": "W_skip"} if skips else {})
    tensors = pick(read_safetensors(found.path / WEIGHTS), names, f"a sparsify checkpoint ({WEIGHTS})")
    tensors["W_enc"] = matrix(tensors["W_enc"], "encoder.weight").T
    model = _model(found)
    hook = _hookpoint(found, model)
    cfg = SAEConfig(
        architecture=transcoder_of("topk", skips) if transcodes else "topk",
        d_in=whole(raw.get("d_in"), "d_in"),
        d_sae=_latents(raw),
        hook_name=f"{hook}.in" if hook and transcodes else hook,
        model_name=model,
        k=raw.get("k"),
        d_out=matrix(tensors["W_dec"], "W_dec").shape[1] if transcodes else None,
        hook_name_out=hook if transcodes else "",
        apply_b_dec_to_input=not transcodes,
        dtype=dtype_name(tensors["W_enc"]),
    )
    return Parts(cfg, tensors)


def _latents(raw: dict[str, Any]) -> int:
    """`num_latents`, or where that is 0 or missing, a multiple of the width."""
    if raw.get("num_latents"):
        return whole(raw["num_latents"], "num_latents")
    return whole(raw.get("d_in"), "d_in") * whole(raw.get("expansion_factor"), "expansion_factor")


def _model(found: Found) -> str:
    """As the trainer's own config in the parent folder says it, or nothing."""
    path = found.path.parent / "config.json"
    raw = read_json(path) if path.is_file() else None
    model = raw.get("model") if isinstance(raw, dict) else None
    return model if isinstance(model, str) else ""


def _hookpoint(found: Found, model: str) -> str:
    """The folder's name as we spell hookpoints; empty where it is no hookpoint's."""
    name = found.name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if name == "embed_tokens":
        return "embed"
    match = re.fullmatch(r"(layers|h)\.(\d+)(\.[\w.]+)?", name)
    if match is None:
        return ""
    if match[3] and _NORM_AFTER.search(model):
        return f"model.{name}"
    return f"layers.{match[2]}{match[3] or ''}" if match[3] in _PARTS else name


FORMAT: Final = Format(
    "sparsify",
    f"a folder with {CFG} and {WEIGHTS}",
    read,
    files=(WEIGHTS, CFG),
    optional=("../config.json",),
)
