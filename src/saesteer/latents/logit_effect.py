"""What a direction does to the next token: logits through the final norm and the unembedding.

The direct path only: what later layers make of the direction is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from saesteer.errors import InputError, ShapeMismatch
from saesteer.latents.reading import token_strings
from saesteer.model import FAMILIES, LanguageModel


@dataclass(frozen=True)
class TokenEffect:
    """How much a direction of one unit's length in the normed stream moves a token's logit."""

    id: int
    token: str
    effect: float
    """Relative to the mean over the vocabulary, which a softmax does not see."""


@dataclass(frozen=True)
class LogitEffect:
    """The tokens that a direction makes more and less likely, strongest first."""

    promoted: tuple[TokenEffect, ...]
    suppressed: tuple[TokenEffect, ...]


@torch.no_grad()
def logit_effect(
    lm: LanguageModel, direction: Float[Tensor, " d"], n: int = 10, fold_norm: bool = True
) -> LogitEffect:
    """Promoted and suppressed tokens of a direction in the residual stream.

    `fold_norm`: the direction first goes through the final norm's centring and weights (its division by the
    length of the stream is left out: it scales all tokens alike).
    """
    unembedding = lm.hf.get_output_embeddings().weight
    if direction.shape != unembedding.shape[1:]:
        raise ShapeMismatch(
            f"the direction is {list(direction.shape)} but the stream is {unembedding.shape[1]} wide; "
            "only directions in the residual stream have a logit effect"
        )
    if n < 1 or not bool(direction.isfinite().all()):
        raise InputError(f"give a finite direction and n of 1 or more, got n {n}")
    found = direction.to(unembedding.device, torch.float32)
    if fold_norm:
        found = through_norm(final_norm(lm), found)
    logits = unembedding[: len(lm.tokenizer)].float() @ found
    logits = logits - logits.mean()
    order = logits.argsort(descending=True, stable=True)
    return LogitEffect(_effects(lm, order[:n], logits), _effects(lm, order.flip(0)[:n], logits))


@torch.no_grad()
def logit_effects(
    lm: LanguageModel, directions: Float[Tensor, "m d"], n: int = 10, fold_norm: bool = True
) -> tuple[Int[Tensor, "m n"], Int[Tensor, "m n"]]:
    """Ids of the tokens that each of many directions promotes and suppresses, by one product for all.

    The same tokens in the same order as `logit_effect` gives, but for differences within rounding. The
    effects themselves, whose mean takes a pass over the vocabulary, are not asked for.
    """
    unembedding = lm.hf.get_output_embeddings().weight
    if directions.shape[1:] != unembedding.shape[1:]:
        raise ShapeMismatch(
            f"the directions are {list(directions.shape)} but the stream is {unembedding.shape[1]} wide; "
            "only directions in the residual stream have a logit effect"
        )
    found = directions.to(unembedding.device, torch.float32)
    if fold_norm:
        weight, centres = linear_part(final_norm(lm), found[0])
        found = (found - found.mean(1, keepdim=True) if centres else found) * weight
    logits = found @ unembedding[: len(lm.tokenizer)].float().T
    n = min(n, logits.shape[1])
    return logits.topk(n).indices, logits.topk(n, largest=False).indices


def final_norm(lm: LanguageModel) -> nn.Module:
    """The norm between the last block and the unembedding."""
    kind = lm.hf.config.model_type
    if kind not in FAMILIES:
        raise InputError(f"the final norm of a {kind} model is not known; use fold_norm=False")
    found: nn.Module = lm.hf.get_submodule(FAMILIES[kind].final_norm)
    return found


@torch.no_grad()
def through_norm(norm: nn.Module, direction: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """The direction after the norm's linear part: centred where the norm centres, times its weights."""
    weight, centres = linear_part(norm, direction)
    return (direction - direction.mean() if centres else direction) * weight


@torch.no_grad()
def linear_part(norm: nn.Module, like: Float[Tensor, " d"]) -> tuple[Float[Tensor, " d"], bool]:
    """The norm's weights, and whether it centres first; on the device of `like`.

    Both are read off the norm's outputs, so that no family has to be known: a probe of +1 and -1 in turn has
    mean 0 and root mean square 1, so norm(probe) is probe * weight + bias for LayerNorm, RMSNorm and Gemma's.
    """
    parameter = next(norm.parameters(), like)
    probe = torch.ones(len(like), dtype=parameter.dtype, device=parameter.device)
    probe[1::2] = -1
    bias = (norm(probe) + norm(-probe)).float() / 2
    weight = (norm(probe).float() - bias) * probe.float()
    # A constant is nothing to a norm that centres.
    centres = bool((norm(torch.ones_like(probe)).float() - bias).abs().sum() < 0.5 * weight.abs().sum())
    return weight.to(like.device), centres


def _effects(lm: LanguageModel, ids: Tensor, logits: Float[Tensor, " vocab"]) -> tuple[TokenEffect, ...]:
    strings = token_strings(lm, ids.tolist())
    return tuple(TokenEffect(each, strings[each], float(logits[each])) for each in ids.tolist())
