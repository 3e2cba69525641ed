"""What a direction op adds or looks along, as numbers. Knows specs and SAEs; no model and no hookpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.saes import SAE, load_sae
from saesteer.steering.fields import bad
from saesteer.steering.intervention import Intervention
from saesteer.steering.operations import unit
from saesteer.steering.references import SAERef, TensorRef


class Refers(Protocol):
    """What names its tensors and SAEs: a spec."""

    @property
    def tensors(self) -> Mapping[str, TensorRef]: ...

    @property
    def saes(self) -> Mapping[str, SAERef]: ...


@dataclass(frozen=True)
class Vectors:
    """The vectors of one spec; SAEs come from `saes` by their names there, else from this machine alone."""

    spec: Refers
    saes: Mapping[str, SAE]

    def sae(self, name: str) -> SAE:
        """One of the spec's SAEs; nothing is downloaded."""
        if name in self.saes:
            return self.saes[name]
        source = self.spec.saes[name].source
        if source is None:
            raise bad(f"saes.{name}.source", f"is missing; hand the SAE over as saes={{{name!r}: sae}}")
        return load_sae(source, download=False)  # a file named it

    def direction(self, each: Intervention) -> Float[Tensor, " d"]:
        """In float32 on the CPU; at length 1 where the intervention says so."""
        vector = self.tensor(str(each.tensor))
        return unit(vector) if each.normalize else vector

    def tensor(self, name: str) -> Float[Tensor, "*shape"]:
        """One of the spec's tensors in float32 on the CPU."""
        tensor = self.spec.tensors[name]
        if tensor.value is not None:
            return tensor.value.float()
        rows = self.sae(str(tensor.sae)).W_dec.detach().float().cpu()
        latents = tensor.latents or ()
        most = max((latent for latent, _ in latents), default=0)
        if most >= len(rows):
            raise bad(f"tensors.{name}.latents", f"must be below {len(rows)}, the SAE's latents, got {most}")
        weights = torch.tensor([weight for _, weight in latents])
        return weights @ rows[[latent for latent, _ in latents]]

    def added(self, each: Intervention, path: str) -> Float[Tensor, " d"]:
        """What op add adds to every activation that it edits."""
        return raw_strength(each, path) * self.direction(each)


def raw_strength(each: Intervention, path: str) -> float:
    """The strength as a plain number; BadSpec where its unit is not resolved."""
    plain = each.strength.plain
    if plain is None:
        raise bad(
            f"{path}.strength.unit",
            f"{each.strength.unit!r} is not resolved; resolve_strength measures it on a model, "
            "calibration finds kl and nats",
        )
    return plain
