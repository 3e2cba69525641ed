"""OpenAI's GPT-2 SAEs (Gao et al. 2024): one `.pt` with a state dict; versions 1, 4 (ReLU) and 5 (TopK).

    gpt2-small/resid_post_mlp_v5_32k/autoencoders/5.pt

TopK normalises each token, ReLU does not. Where there is no decoder it is tied: the encoder's transpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from torch import Tensor

from saesteer.errors import InputError, NotAnSAE
from saesteer.saes.config import SAEConfig
from saesteer.saes.loaders.files import read_torch
from saesteer.saes.loaders.format import Format, Found, Parts, dtype_name, matrix, pick, whole

_TENSORS: Final = {"W_enc": "encoder.weight", "b_enc": "latent_bias", "b_dec": "pre_bias"}
_DECODER: Final = "decoder.weight"
_KNOWN: Final = {
    *_TENSORS.values(),
    _DECODER,
    "decoder.linear.weight",  # of a tied one: the encoder once more
    "stats_last_nonzero",
    "latents_activation_frequency",
    "latents_mean_square",
    "activation",
    "activation_state_dict",
}
LOCATIONS: Final = {
    "mlp_post_act": ".mlp.act",
    "resid_delta_attn": ".attn",
    "resid_post_attn": ".mid",
    "resid_delta_mlp": ".mlp",
    "resid_post_mlp": "",
}
"""Location in the path -> ours behind `layers.N`."""


def read(found: Found) -> Parts:
    state = read_torch(found.path)
    if other := sorted(state.keys() - _KNOWN):
        raise NotAnSAE(f"{found.path} is no SAE of OpenAI: its state dict holds {', '.join(other[:5])}")
    held = {name: each for name, each in state.items() if isinstance(each, Tensor)}
    tensors = pick(held, _TENSORS, "an SAE of OpenAI")
    encoder = matrix(tensors["W_enc"], "encoder.weight")
    tensors["W_enc"] = encoder.T
    tensors["W_dec"] = matrix(held[_DECODER], _DECODER).T if _DECODER in held else encoder
    cfg = SAEConfig(
        d_in=encoder.shape[1],
        d_sae=encoder.shape[0],
        hook_name=_hookpoint(found),
        model_name="gpt2" if found.search("gpt2-small") or _hookpoint(found) else "",
        dtype=dtype_name(encoder),
        **_activation(state, encoder.shape[0]),
    )
    return Parts(cfg, tensors)


def _activation(state: Mapping[str, Any], d_sae: int) -> dict[str, Any]:
    """The fields of the config that say how latents are chosen."""
    name = state.get("activation", "ReLU")
    if name == "ReLU":
        return {"architecture": "standard"}
    if name == "Identity":
        return {"architecture": "topk", "k": d_sae, "postact": "identity"}
    if name != "TopK":
        raise InputError(f"its activation is {name!r}; one of ReLU, Identity, TopK can be read")
    inner = state.get("activation_state_dict")
    inner = inner if isinstance(inner, Mapping) else {}
    k = inner.get("k")
    postact = str(inner.get("postact_fn", "ReLU")).lower()
    return {
        "architecture": "topk",
        "k": whole(k.item() if isinstance(k, Tensor) and k.numel() == 1 else k, "k"),
        "postact": postact,
        "normalize_activations": "layer_norm",
    }


def _hookpoint(found: Found) -> str:
    """By the path, where it has kept its shape."""
    match = found.search(rf"(?:^|/)({'|'.join(LOCATIONS)})(?:_v\w+)?/autoencoders/(\d+)\.pt$")
    return f"layers.{match[2]}{LOCATIONS[match[1]]}" if match else ""


FORMAT: Final = Format("openai", "a .pt file with a state dict", read, endings=(".pt", ".pth"))
