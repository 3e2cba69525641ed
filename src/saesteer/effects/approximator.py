"""The linear approximator of effects: y = x M + b with x of unit length. Knows one folder on disk.

"Improving Steering Vectors by Targeting Sparse Autoencoder Features" (arXiv 2411.02193), section 3.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import CorruptFile, InputError, ShapeMismatch
from saesteer.runs import atomic, plain, read_json, write_json
from saesteer.saes.loaders.files import read_safetensors

RECORD: Final = "approximator.json"
TENSORS: Final = "approximator.safetensors"
VERSION: Final = 1
_FIELDS: Final = ("version", "ridge", "meta", "provenance", "sha256")


@dataclass(frozen=True, eq=False)
class Approximator:
    """What adding a unit vector is predicted to do to every latent."""

    M: Float[Tensor, "d d_sae"]
    b: Float[Tensor, " d_sae"]
    ridge: float | None = None
    """Lambda of the fit, beside mean squared errors; None where it was not fitted by ridge."""
    r2: Float[Tensor, " d_sae"] | None = None
    """On vectors that no choice saw; NaN for latents whose effect did not vary there."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Figures of the fit; plain values."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What a run's `meta` says, plain values: model {name, fingerprint}, sae {source, fingerprint},
    steered_at, read_at, and more. What is missing is not known and not checked."""

    def __post_init__(self) -> None:
        tensors = {"M": self.M, "b": self.b} | ({} if self.r2 is None else {"r2": self.r2})
        for name, tensor in tensors.items():
            object.__setattr__(self, name, tensor.detach().to("cpu", torch.float32).contiguous())
        _check(self.M, self.b, self.r2)
        if self.ridge is not None and not (math.isfinite(self.ridge) and self.ridge >= 0):
            raise InputError(f"lambda of a ridge is a number of 0 or more, got {self.ridge}; fit anew")
        for name in ("meta", "provenance"):
            object.__setattr__(self, name, plain(getattr(self, name)))

    @property
    def d(self) -> int:
        """Width of the vectors."""
        return self.M.shape[0]

    @property
    def d_sae(self) -> int:
        """Number of latents."""
        return self.M.shape[1]

    def predict(self, vectors: Float[Tensor, "... d"]) -> Float[Tensor, "... d_sae"]:
        """The effects of adding the vectors' directions at the strength they were measured with.

        Any length: each is divided by its own. ShapeMismatch where d is another, InputError for zeros.
        """
        return unit(self._checked(vectors)) @ self.M + self.b

    def fingerprint(self) -> str:
        """sha256 of M and b, which decide everything that is made of it."""
        sha = hashlib.sha256()
        for name, tensor in (("M", self.M), ("b", self.b)):
            sha.update(f"{name} {tuple(tensor.shape)}\n".encode())
            sha.update(tensor.numpy().data)
        return sha.hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write approximator.safetensors and approximator.json into a folder, the record last."""
        folder = Path(folder)
        tensors = {"M": self.M, "b": self.b} | ({} if self.r2 is None else {"r2": self.r2})
        record = {
            "version": VERSION,
            "ridge": self.ridge,
            "meta": self.meta,
            "provenance": self.provenance,
            "sha256": self.fingerprint(),
        }
        with atomic(folder / RECORD) as json, atomic(folder / TENSORS) as weights:
            safetensors.torch.save_file(tensors, weights)
            write_json(json, record)

    @classmethod
    def load(cls, folder: str | Path) -> Approximator:
        """What `save` wrote; CorruptFile where the tensors are not those of the record."""
        folder = Path(folder)
        record = read_json(folder / RECORD)
        if not isinstance(record, dict) or set(record) != set(_FIELDS) or record["version"] != VERSION:
            raise CorruptFile(f"{folder / RECORD} is no approximator of this version; fit it anew")
        kinds = {"ridge": int | float | None, "meta": dict, "provenance": dict}
        for name, kind in kinds.items():
            if not isinstance(record[name], kind):
                raise CorruptFile(f"{folder / RECORD}: {name} is {record[name]!r:.40}; fit it anew")
        tensors = read_safetensors(folder / TENSORS, ("M", "b", "r2"))
        if not {"M", "b"} <= set(tensors):
            raise CorruptFile(f"{folder / TENSORS} lacks M or b; fit it anew")
        found = cls(
            tensors["M"],
            tensors["b"],
            record["ridge"],
            tensors.get("r2"),
            record["meta"],
            record["provenance"],
        )
        if found.fingerprint() != record["sha256"]:
            raise CorruptFile(f"{folder / TENSORS} is not the one of its record; fit it anew")
        return found

    def _checked(self, vectors: Tensor) -> Tensor:
        if vectors.shape[-1:] != (self.d,):
            raise ShapeMismatch(
                f"the approximator takes vectors of width {self.d}, got {list(vectors.shape)}; "
                "check the model and the hookpoint"
            )
        return vectors.detach().to("cpu", torch.float32)


def unit(vectors: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
    """Each vector at length 1; InputError for one without a direction."""
    length = vectors.norm(dim=-1, keepdim=True)
    if not bool((length > 0).all() and length.isfinite().all()):
        raise InputError("a vector of zeros, NaN or infinity has no direction; give another")
    return vectors / length


def _check(M: Tensor, b: Tensor, r2: Tensor | None) -> None:
    if M.ndim != 2 or b.ndim != 1 or b.shape[0] != M.shape[1] or not M.numel():
        raise ShapeMismatch(f"M is [d, d_sae] and b [d_sae], got {list(M.shape)} and {list(b.shape)}")
    if r2 is not None and r2.shape != b.shape:
        raise ShapeMismatch(f"R^2 is one number per latent, {len(b)}, got {list(r2.shape)}; fit anew")
    if not bool(M.isfinite().all() and b.isfinite().all()):
        raise InputError("M or b holds NaN or infinity; fit or get the approximator anew")
