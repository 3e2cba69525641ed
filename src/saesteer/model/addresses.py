"""Hookpoint addresses: canonical names, the names of other libraries, plain module paths -> Site.

    layers.5        the residual after block 5      embed           the token embedding's output
    layers.5.in     ... before it                   final_norm.in   the residual before the last norm
    layers.5.mid    ... between attention and MLP
    layers.5.attn   what the attention adds         layers.5.attn.heads   the heads, before their projection
    layers.5.mlp    what the MLP adds               layers.5.mlp.in, .mlp.act   its input, its neurons

A plain path such as `model.layers.5.mlp.up_proj`, from the top or from the base model, means the module's
output, and its input with `.in` behind it. Knows no tensor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from torch import nn

from saesteer.errors import InputError, MissingHookpoint
from saesteer.model.families import FAMILIES, Family
from saesteer.model.sites import Site

PARTS: Final = ("", ".in", ".mid", ".attn", ".attn.heads", ".mlp", ".mlp.in", ".mlp.act")

# TransformerLens and SAELens: a name within `blocks.N.` -> the part of `layers.N`.
_LENS: Final = {
    "hook_resid_pre": ".in",
    "hook_resid_mid": ".mid",
    "hook_resid_post": "",
    "hook_attn_out": ".attn",
    "hook_mlp_out": ".mlp",
    "mlp.hook_post": ".mlp.act",
    "attn.hook_z": ".attn.heads",
    "mlp.hook_in": ".mlp.in",
    "ln2.hook_normalized": ".mlp.in",
}
_FOREIGN: Final = {"hook_embed": "embed"}
_SPLIT: Final = "it is the residual before the norm, copied for one reader; read {0}.mid, edit {0}.mlp.in"


class AddressBook:
    """Every address that one model has."""

    def __init__(self, hf: nn.Module) -> None:
        self._modules = dict(hf.named_modules())
        if compiled := next((name for name in self._modules if "_orig_mod" in name.split(".")), None):
            raise InputError(
                f"the model is, or holds, a part that torch.compile made ({compiled}), and what is compiled "
                "passes hooks by; give the model as it was before"
            )
        base = getattr(hf, "base_model", hf)
        self._base = next((name for name, each in self._modules.items() if each is base), "")
        config = getattr(hf, "config", None)
        self.model_type = str(getattr(config, "model_type", type(hf).__name__))
        self.family = FAMILIES.get(self.model_type)
        flag = self.family.parallel if self.family else None
        self.parallel = bool(flag and getattr(config, flag))
        layers = self._modules.get(self.family.layers) if self.family else None
        self.n_layers = (
            len(layers) if isinstance(layers, nn.ModuleList) else int(getattr(config, "num_hidden_layers", 0))
        )
        self._canonical = {site.address: site for site in self._sites()}
        self._by_place = {(s.module, s.side): s for s in reversed(self._canonical.values()) if not s.shared}

    def names(self) -> list[str]:
        """The canonical addresses; none where the family is unknown."""
        return list(self._canonical)

    def site(self, address: str) -> Site:
        """The site of an address in any spelling; MissingHookpoint where there is none."""
        name = self._canonical_name(address)
        if name in self._canonical:
            return self._canonical[name]
        if (path := self._path(name)) is not None:
            return self._by_place.get((path, "out"), Site(path, path, "out"))
        if name.endswith(".in") and (path := self._path(name.removesuffix(".in"))) is not None:
            return self._by_place.get((path, "in"), Site(f"{path}.in", path, "in"))
        raise MissingHookpoint(self._why_missing(address, name))

    def module(self, site: Site) -> nn.Module:
        return self._modules[site.module]

    def check_called(self, site: Site) -> None:
        """InputError where a call of the module is compiled, which may pass hooks by without a word."""
        parts = site.module.split(".")
        for path in (".".join(parts[:end]) for end in range(len(parts) + 1)):
            if getattr(self._modules[path], "_compiled_call_impl", None) is not None:
                raise InputError(
                    f"{path or 'the model'} was compiled in place, and what is compiled passes hooks at "
                    f"{site.address} by; load the model anew, without its compile()"
                )

    def _sites(self) -> Iterator[Site]:
        family = self.family
        if family is None:
            return
        yield Site("embed", family.embed, "out")
        for number in range(self.n_layers):
            yield from self._block_sites(f"layers.{number}", f"{family.layers}.{number}", family)
        yield Site("final_norm.in", family.final_norm, "in")

    def _block_sites(self, name: str, path: str, family: Family) -> Iterator[Site]:
        yield Site(f"{name}.in", path, "in")
        yield Site(f"{name}.attn.heads", f"{path}.{family.heads}", "in")
        yield Site(f"{name}.attn", f"{path}.{family.attn}", "out")
        if not self.parallel:
            yield Site(f"{name}.mid", f"{path}.{family.mid}", "in", shared=True)
        yield Site(f"{name}.mlp.in", f"{path}.{family.mlp_in}", "in")
        yield Site(f"{name}.mlp.act", f"{path}.{family.act}", "in")
        yield Site(f"{name}.mlp", f"{path}.{family.mlp}", "out")
        yield Site(name, path, "out")

    def _canonical_name(self, address: str) -> str:
        """The canonical spelling of TransformerLens, SAELens and sparsify names; others as they are."""
        if address in _FOREIGN:
            return _FOREIGN[address]
        if match := re.fullmatch(r"h\.(\d+)((?:\..+)?)", address):  # sparsify on GPT-2
            return f"layers.{match[1]}{match[2]}" if match[2] in PARTS else address
        match = re.fullmatch(r"blocks\.(\d+)\.(.+)", address)
        if match is None or match[2] not in _LENS:
            return address
        if match[2] == "ln2.hook_normalized" and not (self.family and self.family.layer_norms):
            return address
        return f"layers.{match[1]}{_LENS[match[2]]}"

    def _path(self, name: str) -> str | None:
        """A module's path from the top, given from the top or from the base model."""
        if not name:
            return None
        return next((path for path in (name, f"{self._base}.{name}") if path in self._modules), None)

    def _why_missing(self, address: str, name: str) -> str:
        what = f"this {self.model_type} model has no hookpoint {address!r}"
        if self.family is None:
            known = get_close_matches(name, [path for path in self._modules if path], n=1, cutoff=0.5)
            nearest = f"did you mean {known[0]!r}? " if known else ""
            return f"{what}; {nearest}its family has no canonical names, so give a module's path"
        if match := re.fullmatch(r"layers\.(\d+)(.*)", name):
            if int(match[1]) >= self.n_layers and match[2] in PARTS:
                return f"{what}; its layers are 0 to {self.n_layers - 1}"
            if match[2] == ".mid" and self.parallel:
                return f"{what}: attention and MLP read the same residual; use layers.{match[1]}.in"
        if match := re.fullmatch(r"blocks\.(\d+)\.hook_mlp_in", name):
            return f"{what}: {_SPLIT.format(f'layers.{match[1]}')}"
        if match := re.fullmatch(r"blocks\.(\d+)\.ln2\.hook_normalized", name):
            return f"{what}: an RMSNorm scales by its weight after it; use layers.{match[1]}.mlp.in, scaled"
        close = get_close_matches(name, [*self._canonical, *filter(None, self._modules)], n=1, cutoff=0.5)
        nearest = f"did you mean {close[0]!r}? " if close else ""
        parts = " ".join(part for part in PARTS if part and not (part == ".mid" and self.parallel))
        return (
            f"{what}; {nearest}it has layers.0 to layers.{self.n_layers - 1}, each also with {parts}, "
            "embed, final_norm.in and any module's path"
        )
