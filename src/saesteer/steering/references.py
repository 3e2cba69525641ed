"""What a spec refers to: a model, SAEs, tensors. Knows files' hashes; no model is loaded here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import BadSpec, UnknownName
from saesteer.steering import fields, files
from saesteer.steering.fields import bad, mapping, name, optional_text, pairs, shown, text

_LARGEST: Final = 2**26  # numbers of a tensor; 256 MB in float32


@dataclass(frozen=True)
class ModelRef:
    """The model that a spec was made for; the fingerprint decides, id and revision are for people."""

    id: str | None = None
    revision: str | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        for key in ("id", "revision", "fingerprint"):
            optional_text(key, getattr(self, key))

    def to_dict(self) -> dict[str, Any]:
        """All three."""
        return {"id": self.id, "revision": self.revision, "fingerprint": self.fingerprint}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ModelRef:
        """From the mapping in a spec."""
        return cls(**fields.record(record, cls().to_dict()))


@dataclass(frozen=True)
class SAERef:
    """An SAE: where to load it (a name or folder; None: given to steer(saes=...)) and its fingerprint."""

    source: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        optional_text("source", self.source)
        optional_text("sha256", self.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Both."""
        return {"source": self.source, "sha256": self.sha256}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> SAERef:
        """From the mapping in a spec."""
        return cls(**fields.record(record, cls().to_dict()))


@dataclass(frozen=True)
class TensorRef:
    """A vector or matrix with its hash, or a direction: a weighted sum of an SAE's decoder rows.

    Two with the same hash are equal, wherever they lie.
    """

    file: str | None = field(default=None, compare=False)
    """Relative to the spec's own folder; None while it is not saved."""
    sha256: str | None = None
    """Of the safetensors file; follows from the value."""
    sae: str | None = None
    """Name of one of the spec's SAEs."""
    latents: tuple[tuple[int, float], ...] | None = None
    """Latents and weights."""
    value: Float[Tensor, "*shape"] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        optional_text("file", self.file)
        optional_text("sha256", self.sha256)
        if (self.sae is None) != (self.latents is None):
            raise BadSpec("latents: sae and latents go together; give both or neither")
        if (self.sae is None) == (self.value is None):
            raise BadSpec("file: is a tensor in a file, or sae and latents; give one of the two")
        if self.latents is not None:
            object.__setattr__(self, "latents", pairs("latents", self.latents))
            if self.file or self.sha256:
                raise BadSpec("sae: stands beside file or sha256; a tensor has one origin")
        if self.value is not None:
            self._take(self.value)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of the tensor; None where an SAE says it."""
        return None if self.value is None else tuple(self.value.shape)

    @classmethod
    def of(cls, value: Float[Tensor, "*shape"]) -> TensorRef:
        """A tensor in memory."""
        return cls(value=value)

    def _take(self, value: Tensor) -> None:
        """Check the tensor and keep a copy that nobody else can change."""
        if not isinstance(value, Tensor) or value.ndim not in (1, 2) or not value.is_floating_point():
            got = f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise BadSpec(f"value: must be a vector or matrix of floats, got {got}")
        if not 0 < value.numel() <= _LARGEST:
            raise BadSpec(
                f"value: must hold 1 to {_LARGEST} numbers, got {list(value.shape)}; lower its rank"
            )
        if value.dtype.itemsize == 1:
            raise BadSpec(f"value: must be in float16 or wider, got {value.dtype}; save it so")
        if not bool(value.isfinite().all()):
            raise BadSpec("value: must be finite, got a tensor with NaN or infinity")
        if not bool(value.float().isfinite().all()):
            raise BadSpec(f"value: must be finite in float32, got up to {float(value.abs().max()):g}")
        value = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        object.__setattr__(self, "value", value)
        found = files.tensor_sha256(value)
        if self.file is None and self.sha256 not in (None, found):
            raise BadSpec(f"sha256: must be {found[:12]}... for this tensor, got {shown(self.sha256)}")
        object.__setattr__(self, "sha256", self.sha256 or found)

    def to_dict(self) -> dict[str, Any]:
        """file and sha256 (file is None while unsaved), or sae and latents."""
        if self.latents is not None:
            return {"sae": self.sae, "latents": [list(each) for each in self.latents]}
        return {"file": self.file, "sha256": self.sha256}

    @classmethod
    def from_dict(
        cls, record: Mapping[str, Any], folder: Path | None, held: Mapping[str, Tensor]
    ) -> TensorRef:
        """From the mapping in a spec; the tensor comes from `folder`, or from `held` by its hash."""
        given = fields.record(record, ("file", "sha256", "sae", "latents"))
        if given.get("sae") is not None or given.get("latents") is not None:
            return cls(**given)
        file = optional_text("file", given.get("file"))
        sha256 = optional_text("sha256", given.get("sha256"))
        if sha256 is not None and sha256 in held:
            return cls(file=file, sha256=sha256, value=held[sha256])
        if file is None:
            raise BadSpec("file: is missing, and no tensor with this sha256 was handed over; save the spec")
        if folder is None:
            raise BadSpec(f"file: {file!r} lies beside a spec on disk; load the spec from there")
        return cls(file=file, sha256=sha256, value=files.read_tensor(folder, file, sha256))

    def saved(self, path: Path, name_: str) -> TensorRef:
        """The same with the file that it gets beside the spec at `path`."""
        if self.sha256 is None or self.value is None:
            return self
        sha256 = files.tensor_sha256(self.value)
        return replace(self, file=files.tensor_file(path, name_, sha256), sha256=sha256)


def named(noun: str, record: Any) -> dict[str, Any]:
    """A mapping from names that fit into file names."""
    found = {} if record is None else mapping(noun, record)
    return {name(f"{noun}.{key}", key): value for key, value in found.items()}


def must_exist(where: str, key: str | None, known: Mapping[str, Any]) -> None:
    """BadSpec where a field names something that the spec does not have."""
    if key is not None and key not in known:
        raise bad(where, str(UnknownName.of("name", text(where, key), known)))


def has_direction(where: str, ref: TensorRef) -> None:
    """BadSpec unless a tensor in memory is a vector that is not zero."""
    value = ref.value
    if value is not None and (value.ndim != 1 or not bool(value.any())):
        got = "zeros" if value.ndim == 1 else f"a matrix {list(value.shape)}"
        raise bad(where, f"must be a vector with a direction, got {got}")
