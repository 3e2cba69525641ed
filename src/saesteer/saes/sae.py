"""The abstract sparse autoencoder (inference form: weights are constants).

Knows how activations are normalised, encoded, decoded and saved; an architecture adds which pre-activations
become latents. With x' the normalised activation:

    h = (x' - b_dec) W_enc + b_enc,  z = architecture(h),  xhat = sigma (z W_dec + b_dec) + mu
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

import safetensors.torch
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from saesteer.errors import InputError, NotAnSAE, ShapeMismatch
from saesteer.runs import atomic, write_json
from saesteer.saes.config import DTYPES, SAEConfig
from saesteer.saes.sparse import SparseLatents, stack_padded
from saesteer.saes.sparse_decode import weighted_rows

CFG_FILE: Final = "cfg.json"
WEIGHTS_FILE: Final = "sae_weights.safetensors"
_EPS: Final = 1e-5  # of layer_norm in sae_lens: added to the deviation on the way in, not on the way out
_CHUNK: Final = 2**23  # pre-activations that encode_sparse holds at once: 32 MB in float32
Selected = tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]


class SAE(nn.Module, ABC):
    """An SAE that is loaded or made from a config and its tensors; nothing in it is trained."""

    shapes: ClassVar[Mapping[str, Callable[[SAEConfig], tuple[int, ...]]]] = {
        "W_enc": lambda cfg: (cfg.d_in, cfg.d_sae),
        "W_dec": lambda cfg: (cfg.d_sae, cfg.width_out),
        "b_enc": lambda cfg: (cfg.d_sae,),
        "b_dec": lambda cfg: (cfg.width_out,),
    }
    W_enc: Float[Tensor, "d_in d_sae"]
    W_dec: Float[Tensor, "d_sae d_out"]
    b_enc: Float[Tensor, " d_sae"]
    b_dec: Float[Tensor, " d_out"]
    W_skip: Float[Tensor, "d_out d_in"]

    def __init__(self, cfg: SAEConfig, tensors: Mapping[str, Tensor]) -> None:
        """`tensors`: exactly those of `shapes_of(cfg)`; they are cast to the config's dtype."""
        super().__init__()
        shapes = self.shapes_of(cfg)
        check_tensors(shapes, cfg, tensors)
        self.cfg = cfg
        for name in shapes:
            weight = tensors[name].detach().to(cfg.torch_dtype).contiguous()
            self.register_parameter(name, nn.Parameter(weight, requires_grad=False))

    @classmethod
    def shapes_of(cls, cfg: SAEConfig) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor."""
        shapes = {name: shape(cfg) for name, shape in cls.shapes.items()}
        return shapes | ({"W_skip": (cfg.width_out, cfg.d_in)} if cfg.skips else {})

    @abstractmethod
    def activate(self, h: Float[Tensor, "... d_sae"]) -> Float[Tensor, "... d_sae"]:
        """Latents from pre-activations."""

    @abstractmethod
    def select(self, h: Float[Tensor, "n d_sae"]) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
        """Latents from pre-activations as indices and values, padded with value 0."""

    @abstractmethod
    def latent(
        self, x: Float[Tensor, "... d_in"], ids: Sequence[int] | Int[Tensor, " n"]
    ) -> Float[Tensor, "... n"]:
        """Those columns of `encode`, at less cost where the architecture allows."""

    def pre(self, x: Float[Tensor, "... d_in"]) -> Float[Tensor, "... d_sae"]:
        """Pre-activations."""
        return F.linear(self.encoder_input(x), self.W_enc.T, self.offset)

    @property
    def offset(self) -> Float[Tensor, " d_sae"]:
        """What is added to the encoder's product."""
        return self.b_enc

    def encode(self, x: Float[Tensor, "... d_in"]) -> Float[Tensor, "... d_sae"]:
        """Latents, dense."""
        return self.activate(self.pre(x))

    def encode_sparse(self, x: Float[Tensor, "... d_in"]) -> SparseLatents:
        """Latents as indices and values; only the pre-activations of a chunk of tokens are dense."""
        pre = self._pre_of_chunks(x)
        (found,) = self._sparse(x, lambda part: (self.select(pre(part)),))
        return found

    def encode_reweighted(
        self, x: Float[Tensor, "... d_in"], scores: Float[Tensor, " d_sae"], swap: bool = False
    ) -> tuple[SparseLatents, SparseLatents]:
        """Latents whose pre-activations p are multiplied by `scores` before the activation, and plain ones.

        The first: q = act(p s); with `swap` f(p) where q is not 0, f being what the activation does to a
        latent that is on, so that scores choose the latents and not their size (arXiv 2506.12576, section 3).
        Both come of one encoding, as sparse as `encode_sparse`. Scores are 0 or more. Raises
        ShapeMismatch for scores of another shape, and InputError of a gated SAE, whose pre-activation does
        not say how much.
        """
        if scores.shape != (self.cfg.d_sae,):
            raise ShapeMismatch(
                f"scores are {list(scores.shape)} but the SAE has {self.cfg.d_sae} latents; give one for each"
            )

        pre = self._pre_of_chunks(x)

        def both(part: Tensor) -> tuple[Selected, Selected]:
            h = pre(part)
            indices, values = self.select(h * scores.to(h))
            if swap:
                values = torch.where(values != 0, self.magnitude(h.gather(-1, indices)), 0)
            return (indices, values), self.select(h)

        reweighted, plain = self._sparse(x, both)
        return reweighted, plain

    def magnitude(self, h: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """How large a latent of pre-activation h is where it is on."""
        return h.relu()

    def decode(
        self, z: Float[Tensor, "... d_sae"], like: Float[Tensor, "... d_in"] | None = None
    ) -> Float[Tensor, "... d_out"]:
        """The reconstruction: of x, or of a module's output where this is a transcoder.

        `like`: the x of z, needed where each token is normalised by itself and where x skips to the output.
        """
        return self._restore(z @ self.W_dec + self.b_dec, like)

    def decode_sparse(
        self, s: SparseLatents, like: Float[Tensor, "... d_in"] | None = None
    ) -> Float[Tensor, "... d_out"]:
        """The reconstruction as a sum of k decoder rows.

        About 20 times as fast as the dense product for 2,048 tokens, d_sae 2,048, k 32, d_in 192 on one CPU
        thread (0.9 ms against 19 ms; 10 times at d_sae 1,024): `python scripts/benchmark_sae.py`.
        """
        return self._restore(self.written(s) + self.b_dec, like)

    def written(self, s: SparseLatents) -> Float[Tensor, "... d_out"]:
        """The sum of the decoder rows alone, z W_dec."""
        k = s.indices.shape[-1]
        rows = weighted_rows(self.W_dec, s.indices.reshape(-1, k), s.values.reshape(-1, k))
        return rows.reshape(*s.indices.shape[:-1], self.cfg.width_out)

    def forward(self, x: Float[Tensor, "... d_in"]) -> Float[Tensor, "... d_out"]:
        """The reconstruction from x, in the SAE's own dtype."""
        return self.decode_sparse(self.encode_sparse(x), like=x)

    def scale(self, x: Float[Tensor, "... d_in"]) -> Float[Tensor, "... 1"]:
        """Sigma: how long one unit of a decoder row is where it is added; 1 where nothing is normalised."""
        x = self._checked(x)
        if not self.cfg.per_token:
            return torch.ones_like(x[..., :1])
        return _deviation(x - x.mean(-1, keepdim=True)) if self._layer_norm else _length(x)

    def direction(self, latent: int) -> Float[Tensor, " d_out"]:
        """The decoder row of a latent: what one unit of it adds (times `scale`)."""
        return self.W_dec[self._ids([latent])[0]].detach().clone()

    def save(self, folder: str | Path) -> None:
        """Write the sae_lens folder layout; each file appears whole or not at all."""
        folder = Path(folder)
        dtype = next(name for name, each in DTYPES.items() if each == self.W_enc.dtype)
        tensors = {name: each.detach().cpu().contiguous() for name, each in self.named_parameters()}
        with atomic(folder / CFG_FILE) as cfg, atomic(folder / WEIGHTS_FILE) as weights:
            weights.write_bytes(safetensors.torch.save(tensors))
            write_json(cfg, replace(self.cfg, dtype=dtype).to_dict())

    def fingerprint(self) -> str:
        """sha256 of the tensors as held and of what the config makes of them; not of names and notes."""
        meaning = {
            "architecture": self.cfg.architecture,
            "k": self.cfg.k,
            "apply_b_dec_to_input": self.cfg.apply_b_dec_to_input,
            "per_token": self.cfg.normalize_activations if self.cfg.normalises_tokens else "none",
        }
        if self.cfg.postact != "relu":
            meaning["postact"] = self.cfg.postact
        sha = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode())
        for name, tensor in sorted(self.named_parameters()):
            plain = tensor.detach().cpu().contiguous()
            sha.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
            sha.update(plain.flatten().view(torch.uint8).numpy().data)
        return sha.hexdigest()

    def encoder_input(self, x: Float[Tensor, "... d_in"]) -> Float[Tensor, "... d_in"]:
        """What the encoder's matrix sees: x normalised, less b_dec where the config says so."""
        x = self._checked(x)
        if self._layer_norm:
            centred = x - x.mean(-1, keepdim=True)
            x = centred / (_deviation(centred) + _EPS)
        elif self.cfg.normalises_tokens:
            x = x / _length(x)
        return x - self.b_dec if self.cfg.apply_b_dec_to_input else x

    def _sparse(
        self, x: Float[Tensor, "... d_in"], choose: Callable[[Tensor], Sequence[Selected]]
    ) -> list[SparseLatents]:
        """What `choose` makes of the tokens, chunk by chunk."""
        flat, step = self._checked(x).reshape(-1, self.cfg.d_in), self._chunk
        chunks = [choose(flat[i : i + step]) for i in range(0, max(1, len(flat)), step)]
        found = []
        for parts in zip(*chunks, strict=True):
            indices, values = stack_padded(list(parts))
            shape = (*x.shape[:-1], indices.shape[1])
            found.append(SparseLatents(indices.reshape(shape), values.reshape(shape), self.cfg.d_sae))
        return found

    @property
    def _chunk(self) -> int:
        """Tokens whose pre-activations are held at once."""
        return max(1, _CHUNK // self.cfg.d_sae)

    def _pre_of_chunks(self, x: Float[Tensor, "... d_in"]) -> Callable[[Tensor], Tensor]:
        """`pre`, where many chunks of x need no gradient into one piece of memory, overwritten each time."""
        if x.numel() <= self._chunk * self.cfg.d_in or self._needs_gradient(x):
            return self.pre
        memory = self.W_enc.new_empty(self._chunk, self.cfg.d_sae)

        def pre(part: Tensor) -> Tensor:
            seen = self.encoder_input(part)
            return torch.addmm(self.offset, seen, self.W_enc, out=memory[: len(part)])

        return pre

    def _needs_gradient(self, x: Tensor) -> bool:
        tensors = (x, *self.parameters())
        return torch.is_grad_enabled() and any(each.requires_grad for each in tensors)

    @property
    def _layer_norm(self) -> bool:
        return self.cfg.normalize_activations == "layer_norm"

    def _restore(self, xhat: Tensor, like: Tensor | None) -> Tensor:
        """Undo the normalisation, and add what skips the latents."""
        if not (self.cfg.per_token or self.cfg.skips):
            return xhat
        if like is None:
            why = "takes x to its output too"
            if self.cfg.per_token:
                why = f"normalises each token ({self.cfg.normalize_activations})"
            raise InputError(
                f"this SAE {why}, so z alone is not enough; "
                "call decode(z, like=x) with the x that z came from"
            )
        if self.cfg.skips:
            return xhat + self._checked(like) @ self.W_skip.T
        xhat = xhat * self.scale(like)
        return xhat + self._checked(like).mean(-1, keepdim=True) if self._layer_norm else xhat

    def _checked(self, x: Tensor) -> Tensor:
        if x.shape[-1:] != (self.cfg.d_in,):
            raise ShapeMismatch(
                f"SAE d_in is {self.cfg.d_in} but the activations are {list(x.shape)}; "
                "check the hookpoint and the model"
            )
        return x.to(self.W_enc.dtype)

    def _ids(self, ids: Sequence[int] | Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        found = torch.as_tensor(ids, dtype=torch.long, device=self.W_enc.device).reshape(-1)
        wrong = found[(found < 0) | (found >= self.cfg.d_sae)]
        if len(wrong):
            raise InputError(f"latents are 0 to {self.cfg.d_sae - 1}, got {int(wrong[0])}; check the number")
        return found


def _deviation(centred: Float[Tensor, "... d_in"]) -> Float[Tensor, "... 1"]:
    """Standard deviation with the n - 1 of torch.std, which would warn where there is no token."""
    return (centred.square().sum(-1, keepdim=True) / max(1, centred.shape[-1] - 1)).sqrt()


def _length(x: Float[Tensor, "... d_in"]) -> Float[Tensor, "... 1"]:
    """Root mean square; a token of zeros stays zeros when it is divided by it."""
    return x.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny) / x.shape[-1] ** 0.5


def check_tensors(
    shapes: Mapping[str, tuple[int, ...]], cfg: SAEConfig, tensors: Mapping[str, Tensor]
) -> None:
    """Refuse tensors that are missing, not known, of another shape, or not finite."""
    missing, other = sorted(shapes.keys() - tensors.keys()), sorted(tensors.keys() - shapes.keys())
    if missing or other:
        raise NotAnSAE(
            f"a {cfg.architecture} SAE has the tensors {', '.join(shapes)}; "
            f"missing: {', '.join(missing) or 'none'}; not known: {', '.join(other) or 'none'}"
        )
    for name, shape in shapes.items():
        if tuple(tensors[name].shape) != shape:
            widths = f"d_in {cfg.d_in}" + (f", d_out {cfg.d_out}" if cfg.transcodes else "")
            raise ShapeMismatch(
                f"{name} is {list(tensors[name].shape)} but {widths} and d_sae {cfg.d_sae} "
                f"make it {list(shape)}; check the config"
            )
        if not tensors[name].is_floating_point() or not bool(tensors[name].isfinite().all()):
            raise NotAnSAE(f"{name} holds values that are not finite numbers; get or train the SAE anew")
