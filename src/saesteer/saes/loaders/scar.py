"""SCAR's hub folder (arXiv 2411.07122): an SAE among the tensors of a sharded language model.

Of the shards only the SAE's tensors are read, through the index. `normalize` and `tied` of the config say
nothing: normalisation is always on, and the decoder is stored. Written here: the SAE alone; with its language
model by `saesteer.steering.save_scar`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import safetensors.torch
from torch import Tensor

from saesteer.errors import InputError, NotAnSAE, UnknownName
from saesteer.runs import contained, read_json, write_bytes, write_json
from saesteer.saes.config import SAEConfig
from saesteer.saes.loaders.files import read_safetensors
from saesteer.saes.loaders.format import Format, Found, Parts, dtype_name, matrix, pick, whole
from saesteer.saes.sae import SAE

INDEX: Final = "model.safetensors.index.json"
CONFIG: Final = "config.json"
PREFIX: Final = "SAE."
SHARD: Final = "sae.safetensors"  # of a folder written here
TENSORS: Final = {
    "W_enc": "SAE.encoder.weight",
    "W_dec": "SAE.decoder.weight",
    "b_enc": "SAE.latent_bias",
    "b_dec": "SAE.pre_bias",
}
THRESHOLD: Final = "SAE.threshold"  # of JumpReLU: its logarithm
SITES: Final = {"mlp": ".mlp", "block": "", "attention": ".attn"}
"""Site in the config -> ours behind `layers.N`."""
_POSTACTS: Final = {"topk": "relu", "topk-sigmoid": "sigmoid", "topk-tanh": "tanh"}
"""Activation in the config -> what becomes of the k largest."""


def shards(folder: Path) -> dict[str, Path]:
    """Tensor -> its file, by the index; no file outside the folder."""
    index = read_json(folder / INDEX)
    names = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(names, dict) or not all(isinstance(each, str) for each in names.values()):
        raise NotAnSAE(f"{folder / INDEX} has no weight_map from tensors to files")
    return {str(name): contained(folder, file) for name, file in names.items()}


def wanted(folder: Path) -> list[str]:
    """The names of the files with the SAE's tensors."""
    found = {path.name for name, path in shards(folder).items() if name.startswith(PREFIX)}
    return sorted(found)


def read(found: Found) -> Parts:
    raw, places = found.json(CONFIG), shards(found.path)
    held: dict[str, Tensor] = {}
    for path in sorted({path for name, path in places.items() if name.startswith(PREFIX)}):
        inside = {name for name, each in places.items() if each == path and name.startswith(PREFIX)}
        held |= read_safetensors(path, inside)
    fields = _activation(raw)
    names = TENSORS | ({"threshold": THRESHOLD} if fields["architecture"] == "jumprelu" else {})
    tensors = pick(held, names, "the SAE of SCAR")
    for name in ("W_enc", "W_dec"):
        tensors[name] = matrix(tensors[name], name).T
    if "threshold" in tensors:
        tensors["threshold"] = tensors["threshold"].exp()
    cfg = SAEConfig(
        d_in=whole(raw.get("n_inputs"), "n_inputs"),
        d_sae=whole(raw.get("n_latents"), "n_latents"),
        hook_name=_hookpoint(raw),
        model_name=str(raw.get("base_model_name") or ""),
        normalize_activations="layer_norm",
        dtype=dtype_name(tensors["W_enc"]),
        **fields,
    )
    return Parts(cfg, tensors)


def write(folder: str | Path, sae: SAE) -> None:
    """The SAE in this layout, without a language model: config, index and one shard."""
    folder = Path(folder)
    tensors = foreign(sae)
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / SHARD, safetensors.torch.save(tensors, metadata={"format": "pt"}))
    total = sum(each.numel() * each.element_size() for each in tensors.values())
    write_json(
        folder / INDEX, {"metadata": {"total_size": total}, "weight_map": dict.fromkeys(tensors, SHARD)}
    )
    write_json(folder / CONFIG, fields_of(sae))


def foreign(sae: SAE) -> dict[str, Tensor]:
    """Its tensors by their names in this layout; InputError where the layout has no place for it."""
    fields_of(sae)
    ours = {name: each.detach().cpu() for name, each in sae.named_parameters()}
    found = {theirs: ours[name] for name, theirs in TENSORS.items()}
    for name in ("SAE.encoder.weight", "SAE.decoder.weight"):
        found[name] = found[name].T
    if "threshold" in ours:
        if not bool((ours["threshold"] > 0).all()):
            raise InputError("SCAR keeps the logarithm of a threshold, so all have to be over 0")
        found[THRESHOLD] = ours["threshold"].log()
    return {name: each.contiguous() for name, each in found.items()}


def fields_of(sae: SAE) -> dict[str, Any]:
    """What the config says of the SAE."""
    cfg = sae.cfg
    if cfg.normalize_activations != "layer_norm" or not cfg.apply_b_dec_to_input or cfg.transcodes:
        raise InputError(
            "SCAR's layout holds SAEs with normalize_activations 'layer_norm' and apply_b_dec_to_input, got "
            f"{cfg.architecture} with {cfg.normalize_activations!r}"
        )
    part = cfg.hook_name.split(".", 2)
    site = next(
        (name for name, ours in SITES.items() if ours == "." * (len(part) > 2) + "".join(part[2:])), None
    )
    if part[0] != "layers" or len(part) < 2 or not part[1].isdecimal() or site is None:
        raise InputError(
            f"SCAR's layout knows layers.N, layers.N.mlp and layers.N.attn, got {cfg.hook_name!r}"
        )
    return {
        "hook_block_num": int(part[1]),
        "site": site,
        "n_inputs": cfg.d_in,
        "n_latents": cfg.d_sae,
        "base_model_name": cfg.model_name,
        "normalize": True,
        "tied": False,
        **_spelled(cfg),
    }


def _spelled(cfg: SAEConfig) -> dict[str, Any]:
    if cfg.architecture == "topk" and cfg.k == cfg.d_sae and cfg.postact == "identity":
        return {"activation": "identity"}
    if cfg.architecture == "topk" and cfg.postact in _POSTACTS.values():
        name = next(name for name, each in _POSTACTS.items() if each == cfg.postact)
        return {"activation": name, "activation_k": cfg.k}
    if cfg.architecture in {"standard", "jumprelu"}:
        return {"activation": {"standard": "relu"}.get(cfg.architecture, cfg.architecture)}
    raise InputError(f"SCAR's layout has no {cfg.architecture} with {cfg.postact}")


def _activation(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the config that say how latents are chosen."""
    name = str(raw.get("activation")).lower().replace("_", "-")
    if name in _POSTACTS:
        return {
            "architecture": "topk",
            "k": whole(raw.get("activation_k"), "activation_k"),
            "postact": _POSTACTS[name],
        }
    if name == "identity":  # every latent is among the k largest
        return {"architecture": "topk", "k": whole(raw.get("n_latents"), "n_latents"), "postact": "identity"}
    if name in {"relu", "jumprelu"}:
        return {"architecture": "standard" if name == "relu" else name}
    raise UnknownName.of("activation of SCAR", name, (*_POSTACTS, "identity", "relu", "jumprelu"))


def _hookpoint(raw: Mapping[str, Any]) -> str:
    layer, site = raw.get("hook_block_num"), str(raw.get("site", "mlp"))
    if isinstance(layer, bool) or not isinstance(layer, int) or layer < 0:
        raise NotAnSAE(f"hook_block_num is the number of a block, got {layer!r}")
    if site not in SITES:
        raise UnknownName.of("site of SCAR", site, SITES)
    return f"layers.{layer}{SITES[site]}"


FORMAT: Final = Format(
    "scar", f"a folder with {INDEX} that names {PREFIX} tensors", read, files=(INDEX, CONFIG), more=wanted
)
