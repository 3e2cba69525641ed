"""What each op does to activations: pure functions of tensors. Knows SAEs; no spec, no model, no position.

`strength` multiplies the number that an op is given: the vector of add, the target of set_projection and
set_latents, what add_latents and low_rank add, the factor of scale_latents; for project_out, splice and
reweight_latents it is the share of the way, for rotate the angle in degrees. It is a number or a tensor that
broadcasts over x, [batch, 1, 1] for one per row, [batch, seq, 1] for one per token.
Whoever applies an op leaves rows of strength 0 alone: 0 is off, also where an op would set something to zero.

A new op is a function here, a line in OPERATIONS and one in FIELDS (op_fields.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from saesteer.errors import InputError
from saesteer.saes import SAE, SparseLatents

Activations = Float[Tensor, "batch seq d"]
Strength = float | Float[Tensor, "#batch #seq 1"]
DirectionEdit = Callable[..., Tensor]
"""Of x, v and a strength, and of a bias where there is one."""
LatentEdit = Callable[[Tensor, Tensor, Strength], Tensor]
_FLAT: Final = 1e-6  # of the length of x: less than this across v is rounding, not a plane


def add(x: Activations, v: Float[Tensor, " d"], strength: Strength = 1.0) -> Activations:
    """x + s v."""
    return x + _like(strength * v, x)


def project_out(
    x: Activations,
    v: Float[Tensor, " d"],
    strength: Strength = 1.0,
    bias: Float[Tensor, " d"] | None = None,
) -> Activations:
    """x - s ((x - b) . u) u, with u the unit vector along v; b is 0 where there is no bias."""
    u = unit(v)
    return x - _like(strength * _along(x, u, bias) * u, x)


def set_projection(
    x: Activations,
    v: Float[Tensor, " d"],
    strength: Strength = 1.0,
    bias: Float[Tensor, " d"] | None = None,
) -> Activations:
    """x + (s - (x - b) . u) u: afterwards (x - b) . u = s.

    What lm-evaluation-harness 0.4.13 calls clamp (`models/hf_steered.py`), there with b = b_dec of an SAE.
    """
    u = unit(v)
    return x + _like((strength - _along(x, u, bias)) * u, x)


def rotate(x: Activations, v: Float[Tensor, " d"], strength: Strength = 1.0) -> Activations:
    """x turned by s degrees towards v in the plane of both, its length kept.

    It stops at v, and with s < 0, away from v, at -v: more strength never leads back. Where x lies along v or
    against it there is no such plane, and x stays. After angular steering (arXiv 2510.26243), whose plane is
    the same for every token.
    """
    u = unit(v)
    wide = x.to(u.dtype)
    along = _along(x, u)
    across = wide - along * u
    across = across - _along(across, u) * u  # what rounding left along u, which counts where little is across
    height, length = across.norm(dim=-1, keepdim=True), wide.norm(dim=-1, keepdim=True)
    angle = torch.atan2(height, along)
    degrees = torch.as_tensor(strength, dtype=u.dtype, device=u.device)
    turned = (angle - degrees.deg2rad()).clamp(0, math.pi)
    w = across / height.clamp(min=torch.finfo(u.dtype).tiny)
    delta = (length * turned.cos() - along) * u + (length * turned.sin() - height) * w
    return torch.where(height > _FLAT * length, x + _like(delta, x), x)


def low_rank(
    x: Activations,
    into: Float[Tensor, "d r"],
    out: Float[Tensor, "r d"],
    strength: Strength = 1.0,
    bias: Float[Tensor, " r"] | None = None,
) -> Activations:
    """x + s (x A + b) B, with A = `into`, B = `out`; b is 0 where there is no bias.

    LoReFT (arXiv 2404.03592), x + R^T (W x + c - R x), has A = (W - R)^T, b = c and B = R.
    """
    into = _wide(into)
    inner = x.to(into.dtype) @ into
    inner = inner if bias is None else inner + bias.to(inner)
    return x + _like(strength * (inner @ out.to(inner)), x)


def set_latents(
    z: Float[Tensor, "... n"], values: Float[Tensor, " n"], strength: Strength = 1.0
) -> Float[Tensor, "... n"]:
    """z' = s value."""
    return (strength * values).expand_as(z)


def add_latents(
    z: Float[Tensor, "... n"], values: Float[Tensor, " n"], strength: Strength = 1.0
) -> Float[Tensor, "... n"]:
    """z' = z + s value; it may become negative."""
    return z + strength * values


def scale_latents(
    z: Float[Tensor, "... n"], values: Float[Tensor, " n"], strength: Strength = 1.0
) -> Float[Tensor, "... n"]:
    """z' = s value z."""
    return strength * values * z


def splice(x: Activations, sae: SAE, strength: Strength = 1.0) -> Activations:
    """x + s (xhat - x); lerp makes 1 the reconstruction itself."""
    return _towards(x, sae.forward(x), strength)


def edit_latents(
    x: Activations,
    sae: SAE,
    ids: Int[Tensor, " n"],
    values: Float[Tensor, " n"],
    change: LatentEdit,
    strength: Strength = 1.0,
    only_active: bool = False,
    keep_error: bool = True,
) -> Activations:
    """x + sigma (z' - z) W_dec over the latents `ids`, or without the error xhat + sigma (z' - z) W_dec.

    The delta form is exact where z' = z: (x - xhat) + xhat is not x in floating point. `only_active`: latents
    that are 0 at a token stay 0 there. With the error kept, only these columns of the encoder where the
    architecture allows (`sae.latent`) and only these rows of the decoder are computed, in at least float32.
    """
    latents = None if keep_error else sae.encode_sparse(x)
    z = _wide(sae.latent(x, ids) if latents is None else latents.at(ids))
    changed = change(z, values.to(z), strength)
    if only_active:
        changed = torch.where(z != 0, changed, z)
    delta = (changed - z) @ _wide(sae.W_dec[ids]) * sae.scale(x)
    if latents is None:
        return x + _like(delta, x)
    return _like(sae.decode_sparse(latents, like=x) + delta, x)


def reweight_latents(
    x: Activations,
    sae: SAE,
    scores: Float[Tensor, " d_sae"],
    mode: str = "swap",
    strength: Strength = 1.0,
    keep_error: bool = True,
) -> Activations:
    """x + s (Dec(z') - x), or with the error kept x + s sigma (z' - z) W_dec; Dec by the token's mu, sigma.

    With pre-activations p and act the SAE's activation: weight: z' = act(p scores); swap: z' = p where
    act(p scores) is not 0, so that scores choose the latents and leave their size (arXiv 2506.12576, section
    3). legacy_weight, for results of the published code: weight, but decoded by the mean and the deviation of
    the scores instead of the token's. Nothing but the pre-activations is dense. Computed in the SAE's own
    dtype. InputError for legacy_weight with the error kept, or of an SAE without layer normalisation.
    """
    changed, plain = sae.encode_reweighted(x, scores, swap=mode == "swap")
    if mode == "legacy_weight":
        return _towards(x, _by_scores(sae, changed, scores, keep_error), strength)
    if keep_error:
        delta = (_wide(sae.written(changed)) - _wide(sae.written(plain))) * sae.scale(x)
        return x + _like(strength * delta, x)
    return _towards(x, sae.decode_sparse(changed, like=x), strength)


def _by_scores(sae: SAE, z: SparseLatents, scores: Tensor, keep_error: bool) -> Tensor:
    """The reconstruction, in which the scores' own mean and deviation stand for those of the token."""
    if keep_error or sae.cfg.normalize_activations != "layer_norm":
        raise InputError(
            "legacy_weight is for SAEs with layer normalisation and keeps no error; take mode 'weight'"
        )
    scores = scores.to(sae.W_dec)
    return (sae.written(z) + sae.b_dec) * scores.std() + scores.mean()


def unit(v: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """v at length 1, in at least float32, also where its square is 0 or infinite there."""
    v = _wide(v)
    v = v / v.abs().max()
    return v / v.norm()


@dataclass(frozen=True)
class Operation:
    """What an op needs: a direction, two matrices, latents of an SAE with numbers, scores of all, an SAE."""

    needs: Literal["direction", "matrices", "latents", "scores", "sae"]
    on_direction: DirectionEdit | None = None
    on_latents: LatentEdit | None = None


OPERATIONS: Final[Mapping[str, Operation]] = {
    "add": Operation("direction", on_direction=add),
    "project_out": Operation("direction", on_direction=project_out),
    "set_projection": Operation("direction", on_direction=set_projection),
    "rotate": Operation("direction", on_direction=rotate),
    "low_rank": Operation("matrices"),
    "set_latents": Operation("latents", on_latents=set_latents),
    "add_latents": Operation("latents", on_latents=add_latents),
    "scale_latents": Operation("latents", on_latents=scale_latents),
    "reweight_latents": Operation("scores"),
    "splice": Operation("sae"),
}


def _along(
    x: Activations, u: Float[Tensor, " d"], bias: Float[Tensor, " d"] | None = None
) -> Float[Tensor, "batch seq 1"]:
    """(x - b) . u, summed in the dtype of u: a sum in bfloat16 would keep two digits."""
    x = x.to(u.dtype)
    return ((x if bias is None else x - bias.to(u)) @ u).unsqueeze(-1)


def _towards(x: Activations, xhat: Activations, strength: Strength) -> Activations:
    """That share of the way from x to xhat."""
    share = torch.as_tensor(strength, dtype=xhat.dtype, device=xhat.device)
    return _like(torch.lerp(x.to(xhat.dtype), xhat, share), x)


def _wide(value: Tensor) -> Tensor:
    """In at least float32."""
    return value if value.dtype == torch.float64 else value.float()


def _like(value: Tensor, x: Tensor) -> Tensor:
    return value.to(x.dtype)
