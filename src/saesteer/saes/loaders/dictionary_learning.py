"""The folder of dictionary_learning: `ae.pt` and `config.json`, whose `trainer.dict_class` says what it is.

A new class is a line in CLASSES. BatchTopK and Matryoshka use their running threshold, as the library does
when it encodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from torch import Tensor

from saesteer.errors import NotAnSAE, UnknownName
from saesteer.saes.config import SAEConfig
from saesteer.saes.loaders.files import read_torch
from saesteer.saes.loaders.format import Format, Found, Parts, dtype_name, matrix, pick, whole

WEIGHTS: Final = "ae.pt"
CONFIG: Final = "config.json"


@dataclass(frozen=True)
class _Class:
    """One class of the library."""

    architecture: str
    names: Mapping[str, str]
    """Our tensors -> its."""
    turned: bool = True
    """Whether its matrices are those of linear layers: [out, in]."""
    fields: Mapping[str, Any] = field(default_factory=dict)


_LINEAR: Final = {"W_enc": "encoder.weight", "W_dec": "decoder.weight", "b_enc": "encoder.bias"}
_PLAIN: Final = {name: name for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
CLASSES: Final[dict[str, _Class]] = {
    "AutoEncoder": _Class("standard", {**_LINEAR, "b_dec": "bias"}),
    "AutoEncoderNew": _Class(
        "standard", {**_LINEAR, "b_dec": "decoder.bias"}, fields={"apply_b_dec_to_input": False}
    ),
    "GatedAutoEncoder": _Class(
        "gated",
        {
            "W_enc": "encoder.weight",
            "W_dec": "decoder.weight",
            "b_dec": "decoder_bias",
            "b_gate": "gate_bias",
            "b_mag": "mag_bias",
            "r_mag": "r_mag",
        },
    ),
    "AutoEncoderTopK": _Class("topk", {**_LINEAR, "b_dec": "b_dec"}),
    "BatchTopKSAE": _Class("jumprelu", {**_LINEAR, "b_dec": "b_dec", "threshold": "threshold"}),
    "MatryoshkaBatchTopKSAE": _Class("jumprelu", {**_PLAIN, "threshold": "threshold"}, turned=False),
    "JumpReluAutoEncoder": _Class(
        "jumprelu",
        {**_PLAIN, "threshold": "threshold"},
        turned=False,
        fields={"apply_b_dec_to_input": False},
    ),
}
_SITES: Final = {"resid_post": "", "mlp_out": ".mlp", "attn_out": ".attn", "attention_out": ".attn"}


def read(found: Found) -> Parts:
    trainer = found.json(CONFIG).get("trainer")
    if not isinstance(trainer, dict):
        raise NotAnSAE(f"{found.path / CONFIG} has no trainer, which says the class and the widths")
    name = str(trainer.get("dict_class"))
    if name not in CLASSES:
        raise UnknownName.of("class of dictionary_learning", name, CLASSES)
    kind = CLASSES[name]
    state = read_torch(found.path / WEIGHTS)
    held = {key: each for key, each in state.items() if isinstance(each, Tensor)}
    tensors = pick(held, kind.names, f"a {name} ({WEIGHTS})")
    for each in ("W_enc", "W_dec"):
        tensors[each] = matrix(tensors[each], each).T if kind.turned else matrix(tensors[each], each)
    d_in, d_sae = tensors["W_enc"].shape
    if "threshold" in tensors and tensors["threshold"].numel() == 1:
        tensors["threshold"] = tensors["threshold"].reshape(1).to(tensors["W_enc"].dtype).expand(d_sae)
    cfg = SAEConfig(
        architecture=kind.architecture,
        d_in=d_in,
        d_sae=d_sae,
        k=_k(trainer, state) if kind.architecture == "topk" else None,
        hook_name=_hookpoint(trainer),
        model_name=str(trainer.get("lm_name") or ""),
        dtype=dtype_name(tensors["W_enc"]),
        metadata={"trained_as": name, **({"trained_k": trainer["k"]} if trainer.get("k") else {})},
        **kind.fields,
    )
    return Parts(cfg, tensors)


def _k(trainer: Mapping[str, Any], state: Mapping[str, Any]) -> int:
    """The tensor k, which wins over what training was asked for, or the config's."""
    held = state.get("k", trainer.get("k"))
    return whole(int(held) if isinstance(held, Tensor) and held.numel() == 1 else held, "k")


def _hookpoint(trainer: Mapping[str, Any]) -> str:
    """By layer and the submodule's name; unknown where either is."""
    layer, module = trainer.get("layer"), str(trainer.get("submodule_name") or "")
    site = next((ours for theirs, ours in _SITES.items() if module.startswith(theirs)), None)
    known = isinstance(layer, int) and not isinstance(layer, bool) and site is not None
    return f"layers.{layer}{site}" if known else ""


FORMAT: Final = Format(
    "dictionary_learning", f"a folder with {WEIGHTS} and {CONFIG}", read, files=(WEIGHTS, CONFIG)
)
