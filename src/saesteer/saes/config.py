"""What an SAE is, apart from its weights, and how a sae_lens `cfg.json` (version 6 and before) says it."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from saesteer.errors import InputError
from saesteer.saes.transcoder import TRANSCODERS

NORMALISATIONS: Final = ("none", "expected_average_only_in", "constant_norm_rescale", "layer_norm")
RESHAPES: Final = ("none", "hook_z")
POSTACTS: Final = ("relu", "sigmoid", "tanh", "identity")
DTYPES: Final = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}
LAYOUT: Final = "6.0.0"  # the sae_lens version whose cfg.json layout is written
_BEFORE_6: Final = {"hook_point": "hook_name", "hook_point_head_index": "hook_head_index"}
_PROVENANCE: Final = (  # keys that stood at the top before version 6 and stand in `metadata` since
    "hook_head_index",
    "prepend_bos",
    "context_size",
    "dataset_path",
    "neuronpedia_id",
    "model_from_pretrained_kwargs",
)


@dataclass(frozen=True)
class SAEConfig:
    """The meaning of an SAE's weights, and where they were trained."""

    architecture: str
    """A name of `ARCHITECTURES`."""
    d_in: int
    """Width of the activations."""
    d_sae: int
    """Number of latents."""
    hook_name: str = ""
    """The hookpoint it was trained at, as its makers write it; empty: unknown."""
    model_name: str = ""
    """The model it was trained on, as its makers write it; empty: unknown."""
    k: int | None = None
    """topk only: latents per token."""
    postact: str = "relu"
    """topk only: what becomes of the k largest pre-activations; one of POSTACTS (SCAR, OpenAI)."""
    d_out: int | None = None
    """Transcoders only: width of what they reconstruct."""
    hook_name_out: str = ""
    """Transcoders only: the hookpoint of what they reconstruct; empty: unknown."""
    apply_b_dec_to_input: bool = True
    """Whether b_dec is taken from the (normalised) activation before the encoder."""
    normalize_activations: str = "none"
    """One of NORMALISATIONS. expected_average_only_in: nothing, its factor is in the weights."""
    rescale_acts_by_decoder_norm: bool = False
    """topk only: select by pre-activation times decoder norm. Folded into the weights when an SAE is made."""
    reshape_activations: str = "none"
    """hook_z: the activations are heads x head width, which are flattened to d_in before they come here."""
    dtype: str = "float32"
    """One of DTYPES."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Everything else about the training that is worth keeping; plain JSON."""

    def __post_init__(self) -> None:
        for name in ("d_in", "d_sae"):
            _positive(name, getattr(self, name))
        _one_of("normalize_activations", self.normalize_activations, NORMALISATIONS)
        _one_of("reshape_activations", self.reshape_activations, RESHAPES)
        _one_of("dtype", self.dtype, tuple(DTYPES))
        _one_of("postact", self.postact, POSTACTS)
        self._check_topk()
        self._check_transcoder()

    def _check_topk(self) -> None:
        if self.activation == "topk":
            _positive("k", self.k)
            if self.k is not None and self.k > self.d_sae:
                raise InputError(f"k is {self.k} but d_sae is only {self.d_sae}; lower k")
        elif self.k is not None or self.rescale_acts_by_decoder_norm or self.postact != "relu":
            raise InputError(
                "k, postact and rescale_acts_by_decoder_norm are for architecture 'topk', "
                f"got {self.architecture!r}"
            )

    def _check_transcoder(self) -> None:
        if not self.transcodes:
            if self.d_out is not None or self.hook_name_out:
                raise InputError(
                    f"d_out and hook_name_out are for transcoders, got {self.architecture!r}; "
                    f"transcoders are {', '.join(TRANSCODERS)}"
                )
            return
        _positive("d_out", self.d_out)
        if self.apply_b_dec_to_input:
            raise InputError(
                "apply_b_dec_to_input is for SAEs, since the b_dec of a transcoder lies in another space; "
                "set it to False"
            )
        if self.rescale_acts_by_decoder_norm:
            raise InputError(
                "rescale_acts_by_decoder_norm is for SAEs, got a transcoder; fold the norms first"
            )

    @property
    def torch_dtype(self) -> torch.dtype:
        """`dtype` as torch knows it."""
        return DTYPES[self.dtype]

    @property
    def activation(self) -> str:
        """The architecture whose activation it has: its own, unless it is a transcoder."""
        return TRANSCODERS[self.architecture].activation if self.transcodes else self.architecture

    @property
    def transcodes(self) -> bool:
        """Whether it reconstructs another activation than the one it reads."""
        return self.architecture in TRANSCODERS

    @property
    def skips(self) -> bool:
        """Whether x also goes straight to the output."""
        return self.transcodes and TRANSCODERS[self.architecture].skip

    @property
    def width_out(self) -> int:
        """Width of what it reconstructs."""
        return self.d_in if self.d_out is None else self.d_out

    @property
    def normalises_tokens(self) -> bool:
        """Whether the encoder sees each token normalised by its own statistics."""
        return self.normalize_activations in {"layer_norm", "constant_norm_rescale"}

    @property
    def per_token(self) -> bool:
        """Whether decoding undoes that, for which it needs the token again; not a transcoder's."""
        return self.normalises_tokens and not self.transcodes

    @property
    def about(self) -> dict[str, Any]:
        """What the SAE is and where it belongs, for records; None where it does not say."""
        return {
            "architecture": self.architecture,
            "d_in": self.d_in,
            "d_sae": self.d_sae,
            "d_out": self.d_out,
            "k": self.k,
            "hook_name": self.hook_name or None,
            "hook_name_out": self.hook_name_out or None,
            "model_name": self.model_name or None,
            "normalize_activations": self.normalize_activations,
            "dtype": self.dtype,
        }

    def to_dict(self) -> dict[str, Any]:
        """The `cfg.json` that sae_lens writes and reads."""
        top: dict[str, Any] = {
            "architecture": self.architecture,
            "d_in": self.d_in,
            "d_sae": self.d_sae,
            "dtype": self.dtype,
            "device": "cpu",
            "apply_b_dec_to_input": self.apply_b_dec_to_input,
            "normalize_activations": self.normalize_activations,
            "reshape_activations": self.reshape_activations,
        }
        if self.k is not None:
            top |= {"k": self.k, "rescale_acts_by_decoder_norm": self.rescale_acts_by_decoder_norm}
        known = {"model_name": self.model_name or None, "hook_name": self.hook_name or None}
        if self.transcodes:
            top |= {"d_out": self.d_out}
            known |= {"hook_name_out": self.hook_name_out or None}
        if self.postact != "relu":  # sae_lens, which would take it for plain topk, must refuse it
            top |= {"architecture": f"{self.architecture}_{self.postact}"}
        return top | {"metadata": {"sae_lens_version": LAYOUT, **self.metadata, **known}}

    @classmethod
    def from_dict(cls, cfg: Mapping[str, Any]) -> SAEConfig:
        """From a `cfg.json` of sae_lens, any version; what only its trainer needs is passed over."""
        cfg = {_BEFORE_6.get(key, key): value for key, value in cfg.items()}
        noted = cfg.get("metadata")
        if not isinstance(noted, dict):
            noted = {key: cfg[key] for key in _PROVENANCE if cfg.get(key) is not None}
        metadata = dict(noted)
        hook_name = metadata.pop("hook_name", None) or cfg.get("hook_name") or ""
        model_name = metadata.pop("model_name", None) or cfg.get("model_name") or ""
        hook_name_out = metadata.pop("hook_name_out", None) or cfg.get("hook_name_out") or ""
        k, architecture, postact = _activation(cfg)
        transcodes = architecture in TRANSCODERS
        for name in ("d_in", "d_sae"):
            if name not in cfg:
                raise InputError(f"the field {name} is missing")
        return cls(
            architecture=architecture,
            d_in=cfg["d_in"],
            d_sae=cfg["d_sae"],
            hook_name=str(hook_name),
            model_name=str(model_name),
            k=k,
            postact=postact,
            d_out=cfg.get("d_out") if transcodes else None,
            hook_name_out=str(hook_name_out) if transcodes else "",
            apply_b_dec_to_input=bool(cfg.get("apply_b_dec_to_input", not transcodes)),
            normalize_activations=_normalisation(cfg.get("normalize_activations")),
            rescale_acts_by_decoder_norm=bool(cfg.get("rescale_acts_by_decoder_norm", False)),
            reshape_activations=cfg.get("reshape_activations")
            or ("hook_z" if "hook_z" in str(hook_name) else "none"),
            dtype=str(cfg.get("dtype") or "float32").removeprefix("torch."),
            metadata=metadata,
        )


def _activation(cfg: Mapping[str, Any]) -> tuple[int | None, str, str]:
    """k, architecture and postact; before version 6, topk was standard with another function."""
    architecture = str(cfg.get("architecture") or "standard")
    function = cfg.get("activation_fn_str") or cfg.get("activation_fn")
    if architecture == "standard" and function == "topk":
        architecture = "topk"
    architecture, postact = _split_postact(architecture)
    activation = TRANSCODERS[architecture].activation if architecture in TRANSCODERS else architecture
    if activation != "topk":
        return None, architecture, postact
    kwargs = cfg.get("activation_fn_kwargs") or {}
    if not isinstance(kwargs, Mapping):
        raise InputError(f"activation_fn_kwargs is a mapping, got {reprlib.repr(kwargs)}")
    return kwargs.get("k", cfg.get("k")), architecture, postact


def _split_postact(architecture: str) -> tuple[str, str]:
    """An architecture as `to_dict` writes it: "topk_tanh" is topk with tanh."""
    stem, _, last = architecture.rpartition("_")
    return (stem, last) if stem and last in POSTACTS else (architecture, "relu")


def _normalisation(value: Any) -> str:
    if isinstance(value, bool):
        return "expected_average_only_in" if value else "none"
    return "none" if value is None else str(value)


def _positive(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name} is a whole number of 1 or more, got {value!r}")


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InputError(f"{name} is one of {', '.join(known)}, got {value!r}")
