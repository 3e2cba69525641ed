"""From wanted effects to a vector: the targeted vector of SAE-TS, and forms that weigh side effects.

All take weights t of latents (negative: less of it) and give a vector of length 1. Knows the approximator;
no model. Source: arXiv 2411.02193, sections 3.2 and 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.effects.approximator import Approximator, unit
from saesteer.errors import InputError

Weights = tuple[tuple[int, float], ...]
Columns = Literal["normalised", "raw"]
_SINGULAR: Final = 1e-7
"""Of the largest singular value: below that, float32 holds no direction of M."""


def targeted_vector(
    effects: Approximator,
    target: Iterable[tuple[int, float]],
    *,
    bias_weight: float = 1.0,
    columns: Columns = "normalised",
) -> Float[Tensor, " d"]:
    """s = M t / |M t| - bias_weight * M b / |M b|, then s / |s|.

    `columns`: of the M in M t, at length 1 so that no latent of several counts more because it is easily
    moved, or raw, as the paper writes it (the same for one latent). M b is always raw: it is the direction
    along which all effects grow as they grow for no direction in particular.
    """
    weights = check_target(target, effects.d_sae)
    found = _wanted(effects, weights, columns)
    return less_bias(effects, found, bias_weight)


def pseudo_inverse_vector(effects: Approximator, target: Iterable[tuple[int, float]]) -> Float[Tensor, " d"]:
    """x = (t / |t| - b) M^+, at length 1 (the reference leaves it as long as it comes out).

    M^+ by d x d: (y - b) M^+ = (M M')^+ M (y - b), without singular values below 1e-7 of the largest.
    """
    y = -effects.b.double()
    weights = check_target(target, effects.d_sae)
    _check_moved(effects, weights)
    length = sum(weight**2 for _, weight in weights) ** 0.5
    for latent, weight in weights:
        y[latent] += weight / length
    M = effects.M.double()
    values, vectors = torch.linalg.eigh(M @ M.T)
    kept = values > values[-1] * _SINGULAR**2
    inverse = torch.where(kept, 1 / values, 0.0)
    return unit(vectors @ (inverse * (vectors.T @ (M @ y)))).float()


def penalised_vector(
    effects: Approximator,
    target: Iterable[tuple[int, float]],
    *,
    side_effects: float = 0.1,
    avoid: Mapping[int, float] | None = None,
    shrink: float = 0.1,
    bias_weight: float = 1.0,
) -> Float[Tensor, " d"]:
    """The x with the least sum_j w_j (x M_j - t_j)^2 + rho |x|^2, at length 1, less the bias as usual.

    w is 1 for latents of the target and `side_effects` for all others, whose t is 0; `avoid` gives latents
    weights of their own. rho is `shrink` mean eigenvalues of M diag(w) M': large, it leaves the raw targeted
    vector M t; towards 0 with `side_effects` 1, least squares. The length of t does not count, for x is as
    long as it likes before it is normalised.
    """
    weights = check_target(target, effects.d_sae)
    w = torch.full((effects.d_sae,), _at_least_0("side_effects", side_effects), dtype=torch.float64)
    t = torch.zeros(effects.d_sae, dtype=torch.float64)
    for latent, weight in weights:
        w[latent], t[latent] = 1.0, weight
    for latent, cost in (avoid or {}).items():
        check_latent(latent, effects.d_sae)
        if t[latent]:
            raise InputError(f"latent {latent} is a target and to be avoided; choose one of the two")
        w[latent] = _at_least_0("avoid", cost)
    if not shrink > 0:
        raise InputError(f"shrink is a number above 0, got {shrink}; try 0.1")
    M = effects.M.double()
    _check_moved(effects, weights)
    system = (M * w) @ M.T
    system.diagonal().add_(shrink * float(system.diagonal().mean()))
    found = torch.linalg.solve(system, M @ (w * t / t.norm()))
    return less_bias(effects, found, bias_weight)


def bias_direction(effects: Approximator) -> Float[Tensor, " d"]:
    """-M b at length 1: against what vectors do whatever their direction.

    InputError where b is zero or M does not reach it.
    """
    return -_bias(effects).float()


def check_target(target: Iterable[tuple[int, float]], d_sae: int) -> Weights:
    """Pairs of a latent and its weight; InputError for none, one twice, one that is not there or weighs 0."""
    found: dict[int, float] = {}
    for each in target:
        try:
            latent, weight = each
            number = float(weight)
        except (TypeError, ValueError) as error:
            raise InputError(f"a target is pairs of a latent and its weight, got {each!r}") from error
        check_latent(latent, d_sae)
        if int(latent) in found:
            raise InputError(f"latent {latent} stands twice in the target; give it one weight")
        if not 0 < abs(number) < float("inf"):
            raise InputError(f"latent {latent} weighs {weight}; a weight is a number that is not 0")
        found[int(latent)] = number
    if not found:
        raise InputError("a target holds at least one latent, got none")
    return tuple(found.items())


def check_latent(latent: object, d_sae: int) -> int:
    """The number of a latent that is there."""
    if isinstance(latent, bool) or not isinstance(latent, int) or not 0 <= latent < d_sae:
        raise InputError(f"latents are 0 to {d_sae - 1}, got {latent!r}; check the number")
    return latent


def unit_columns(M: Float[Tensor, "d n"]) -> Float[Tensor, "d n"]:
    """Every column at length 1; columns of zeros stay."""
    length = M.norm(dim=0, keepdim=True)
    return M / torch.where(length > 0, length, 1.0)


def _wanted(effects: Approximator, weights: Weights, columns: Columns) -> Float[Tensor, " d"]:
    """M t."""
    if columns not in get_args(Columns):
        raise InputError(f"columns is one of {', '.join(get_args(Columns))}, got {columns!r}")
    _check_moved(effects, weights)
    M = effects.M[:, [latent for latent, _ in weights]].double()
    t = torch.tensor([weight for _, weight in weights], dtype=torch.float64)
    found: Tensor = (unit_columns(M) if columns == "normalised" else M) @ t
    if not bool(found.any()):
        raise InputError(f"the columns of the target {list(weights)} cancel out; give other weights")
    return found


def _check_moved(effects: Approximator, weights: Weights) -> None:
    """InputError for a latent that no vector moved."""
    for latent, _ in weights:
        if not bool(effects.M[:, latent].any()):
            raise InputError(
                f"latent {latent} was moved by no vector that was measured, so none is known to cause it; "
                "measure more vectors or take another latent"
            )


def less_bias(effects: Approximator, found: Tensor, bias_weight: float) -> Float[Tensor, " d"]:
    weight = _at_least_0("bias_weight", bias_weight)
    found = unit(found)
    return unit(found - weight * _bias(effects) if weight else found).float()


def _bias(effects: Approximator) -> Float[Tensor, " d"]:
    """M b at length 1, in float64."""
    found = effects.M.double() @ effects.b.double()
    if not bool(found.any()):
        raise InputError("M b is zero, so there is no bias direction; give bias_weight 0")
    return unit(found)


def _at_least_0(name: str, value: float) -> float:
    if not 0 <= value < float("inf"):
        raise InputError(f"{name} is a number of 0 or more, got {value}; try 1")
    return float(value)
