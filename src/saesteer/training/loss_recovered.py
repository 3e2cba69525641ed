"""How much of what a model predicts survives when an SAE's reconstruction takes the place of the activation.

The scale has two ends: the plain model (1), and one whose activation is replaced by zeros or by its mean (0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.model import Edit, LanguageModel, Positions, Tokens
from saesteer.saes import SAE, check_fits


@dataclass(frozen=True)
class LossRecovered:
    """Mean loss per predicted token, in nats."""

    plain: float
    spliced: float
    """With the reconstruction in place of the activation."""
    zero: float
    """With zeros in its place."""
    mean: float
    """With the mean activation of these tokens in its place."""
    tokens: int
    """Predicted tokens."""

    @property
    def over_zero(self) -> float:
        """Share of the loss between zeros and plain that the SAE recovers; the usual figure."""
        return _share(self.zero, self.spliced, self.plain)

    @property
    def over_mean(self) -> float:
        """The same from the mean activation, the harder start."""
        return _share(self.mean, self.spliced, self.plain)


@torch.no_grad()
def loss_recovered(
    lm: LanguageModel,
    sae: SAE,
    tokens: Tokens | Sequence[Tokens],
    hookpoint: str,
    skip_bos: bool = True,
    source: str | None = None,
) -> LossRecovered:
    """Measure on batches of tokens; with `skip_bos`, BOS keeps its activation in all three replacements.

    A transcoder is spliced in at the `hookpoint` that it writes, from what it reads at `source` (None: its
    own hook_name); an SAE reads where it writes.
    """
    hookpoint, read = lm.hookpoint(hookpoint), None
    check_fits(sae, lm.width(hookpoint), lm.name, hookpoint, canonical=lm.hookpoint, use="write")
    if sae.cfg.transcodes:
        read = _Read(lm.hookpoint(source or sae.cfg.hook_name))
        check_fits(sae, lm.width(read.hookpoint), lm.name, read.hookpoint, canonical=lm.hookpoint, use="read")
    if sae.W_dec.device != lm.device:
        raise InputError(f"the SAE is on {sae.W_dec.device} and the model on {lm.device}; move one")
    batches = [tokens] if isinstance(tokens, Tokens) else list(tokens)
    predicted = sum(int((each.mask[:, 1:] & each.mask[:, :-1]).sum()) for each in batches)
    if not predicted:
        raise InputError("no token has one before it to be predicted from; give longer texts")
    seen = _Seen(hookpoint, skip_bos)

    def loss(*edits: Edit) -> float:
        with lm.intervening(edits):
            return sum(float(lm.nll(each).double().sum()) for each in batches) / predicted

    spliced = _Replaced(hookpoint, skip_bos, sae, read)
    plain = loss()
    loss(seen)
    return LossRecovered(
        plain=plain,
        spliced=loss(spliced) if read is None else loss(read, spliced),
        zero=loss(_Replaced(hookpoint, skip_bos, None)),
        mean=loss(_Replaced(hookpoint, skip_bos, seen.mean())),
        tokens=predicted,
    )


class _Read:
    """An edit that changes nothing and keeps what it saw last, for a transcoder further on."""

    def __init__(self, hookpoint: str) -> None:
        self.hookpoint = hookpoint
        self.x: Tensor | None = None

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        self.x = x
        return x


class _Seen:
    """An edit that changes nothing and keeps the mean of what it saw."""

    def __init__(self, hookpoint: str, skip_bos: bool) -> None:
        self.hookpoint, self.skip_bos = hookpoint, skip_bos
        self.total: Tensor | None = None
        self.count = 0

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        rows = x[_where(at, self.skip_bos)].double()
        self.total = rows.sum(0) if self.total is None else self.total + rows.sum(0)
        self.count += len(rows)
        return x

    def mean(self) -> Float[Tensor, " d"]:
        assert self.total is not None  # the model ran, so the hookpoint was passed
        return self.total / max(1, self.count)


@dataclass(frozen=True, eq=False)
class _Replaced:
    """An edit that puts the SAE's reconstruction, one vector, or zeros in the place of the activation."""

    hookpoint: str
    skip_bos: bool
    by: SAE | Tensor | None
    read: _Read | None = None

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        if isinstance(self.by, SAE):
            new = self.by(self._source(x)).to(x.dtype)
        else:
            new = torch.zeros_like(x) if self.by is None else self.by.to(x).expand_as(x)
        return torch.where(_where(at, self.skip_bos)[..., None], new, x)

    def _source(self, x: Tensor) -> Tensor:
        if self.read is None:
            return x
        if self.read.x is None:
            raise InputError(
                f"the model passes {self.hookpoint} before {self.read.hookpoint}, which the transcoder "
                "reads; check its hook_name and hook_name_out"
            )
        return self.read.x


def _where(at: Positions, skip_bos: bool) -> Tensor:
    return at.mask & ~at.bos if skip_bos else at.mask


def _share(worst: float, spliced: float, plain: float) -> float:
    return (worst - spliced) / (worst - plain) if worst != plain else float("nan")
