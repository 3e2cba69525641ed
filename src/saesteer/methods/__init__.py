"""Methods: from a concept to a steering spec, one method per file. Knows models, SAEs and concepts.

A new method is a file here, a line in TABLE (table.py) and a part of docs/methods.md. Nothing is imported
until a method is asked for; another package adds one as an entry point of the group saesteer.methods.
Fine-tuning makes a model in place of a spec: TUNERS.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from saesteer.methods.table import METHODS, TABLE, TUNERS, Method
from saesteer.names import resolve

if TYPE_CHECKING:
    from saesteer.methods.actadd import actadd
    from saesteer.methods.bias_direction import bias_direction
    from saesteer.methods.caa import caa
    from saesteer.methods.closed_loop import closed_loop
    from saesteer.methods.corrsteer import corrsteer
    from saesteer.methods.diffmean import diffmean
    from saesteer.methods.fgaa import fgaa
    from saesteer.methods.finetune import finetune
    from saesteer.methods.lora import lora
    from saesteer.methods.opening import opening
    from saesteer.methods.pca import pca
    from saesteer.methods.pinverse import pinverse
    from saesteer.methods.probe import probe
    from saesteer.methods.prompting import candidates, prompting
    from saesteer.methods.random_direction import random_direction
    from saesteer.methods.rotation import rotation
    from saesteer.methods.sae_decoder import sae_decoder
    from saesteer.methods.sae_ts import sae_ts
    from saesteer.methods.scar_latent import scar_latent
    from saesteer.methods.topic_alignment import topic_alignment
    from saesteer.methods.trained import trained
    from saesteer.methods.tuned import Tuned, interpolate


_ADDRESSES: Final = {name: each.target for name, each in TABLE.items()} | {
    "Tuned": "saesteer.methods.tuned:Tuned",
    "candidates": "saesteer.methods.prompting:candidates",
    "finetune": "saesteer.methods.finetune:finetune",
    "interpolate": "saesteer.methods.tuned:interpolate",
    "lora": "saesteer.methods.lora:lora",
}

__all__ = [
    "METHODS",
    "TABLE",
    "TUNERS",
    "Method",
    "Tuned",
    "actadd",
    "bias_direction",
    "caa",
    "candidates",
    "closed_loop",
    "corrsteer",
    "diffmean",
    "fgaa",
    "finetune",
    "interpolate",
    "lora",
    "opening",
    "pca",
    "pinverse",
    "probe",
    "prompting",
    "random_direction",
    "rotation",
    "sae_decoder",
    "sae_ts",
    "scar_latent",
    "topic_alignment",
    "trained",
]


def __getattr__(name: str) -> Any:
    if name not in _ADDRESSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = resolve(_ADDRESSES[name])
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Methods(ModuleType):
    """A method has the name of its file, and importing a file binds its name here: the function stays."""

    def __setattr__(self, name: str, value: Any) -> None:
        target = _ADDRESSES.get(name, "")
        if isinstance(value, ModuleType) and target.startswith(f"{value.__name__}:"):
            value = getattr(value, target.partition(":")[2])
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Methods
