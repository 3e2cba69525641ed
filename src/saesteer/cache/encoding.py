"""A group of rows through a model, and what each SAE makes of it: sparse, token by token, in order.

Knows the doors of models and SAEs. Memory is bounded by the group's entries, one microbatch of activations
and one piece of pre-activations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from saesteer.cache.rows import RowGroup
from saesteer.cache.ways import Way
from saesteer.errors import SaesteerError
from saesteer.model import LanguageModel, Tokens
from saesteer.saes import SAE

_PIECE: Final = (
    512  # tokens that go into an SAE without k at once: its result is as wide as the fullest token
)


@dataclass(frozen=True, eq=False)
class Site:
    """An SAE, what the cache calls it, where it reads, and how it chooses its latents in this cache."""

    name: str
    hookpoint: str
    sae: SAE
    way: Way = field(default_factory=Way)

    @cached_property
    def fingerprint(self) -> str:
        return self.sae.fingerprint()


@dataclass(frozen=True, eq=False)
class Found:
    """The active latents of tokens, token by token (a CSR matrix without its row pointers)."""

    counts: Int[np.ndarray, " n"]
    latents: Int[np.ndarray, " nnz"]
    values: Float[np.ndarray, " nnz"]

    @classmethod
    def join(cls, parts: Sequence[Found]) -> Found:
        """One after the other."""
        fields = ("counts", "latents", "values")
        return cls(*(np.concatenate([getattr(part, each) for part in parts]) for each in fields))

    def nothing(self) -> Found:
        """In place of what is held no longer."""
        return Found(self.counts[:0].copy(), self.latents[:0].copy(), self.values[:0].copy())

    def take(self, tokens: Int[np.ndarray, " n"]) -> Found:
        """The same tokens in another order."""
        ends = np.cumsum(self.counts)
        counts = self.counts[tokens]
        shift = (ends - self.counts)[tokens] - (np.cumsum(counts) - counts)
        entries = np.repeat(shift, counts) + np.arange(ends[-1] if len(ends) else 0)
        return Found(counts, self.latents[entries], self.values[entries])


def encoded(
    lm: LanguageModel, group: RowGroup, sites: Sequence[Site], special: frozenset[int], batch_tokens: int
) -> list[Found]:
    """One Found per site; nothing at special tokens."""
    ends = np.cumsum(group.lengths)
    parts: list[list[Found]] = [[] for _ in sites]
    order = np.argsort(group.lengths, kind="stable")
    for rows in _batched(order, group.lengths, batch_tokens):
        ids = [group.ids[ends[row] - group.lengths[row] : ends[row]] for row in rows]
        for part, found in zip(parts, _microbatch(lm, ids, sites, special), strict=True):
            part.append(found)
    joined = [Found.join(part) for part in parts]
    if (np.diff(order) == 1).all():
        return joined
    back = _places(order, group.lengths)
    return [found.take(back) for found in joined]


def _batched(
    order: Int[np.ndarray, " rows"], lengths: Int[np.ndarray, " rows"], tokens: int
) -> Iterator[Int[np.ndarray, " some"]]:
    """Runs of `order`, in ascending length, whose padded size stays within `tokens`; one row at least."""
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or lengths[order[stop]] * (stop + 1 - start) > tokens:
            yield order[start:stop]
            start = stop


@torch.no_grad()
def _microbatch(
    lm: LanguageModel,
    ids: Sequence[Int[np.ndarray, " length"]],
    sites: Sequence[Site],
    special: frozenset[int],
) -> Iterator[Found]:
    lengths = np.array([len(each) for each in ids])
    mask = np.arange(lengths.max()) < lengths[:, None]
    padded = np.zeros(mask.shape, np.int64)
    padded[mask] = flat = np.concatenate(ids)
    tokens = Tokens(torch.from_numpy(padded), torch.from_numpy(mask))
    read = lm.record(tokens, at=list(dict.fromkeys(site.hookpoint for site in sites)))
    content = ~np.isin(flat, np.fromiter(special, np.int64))
    kept = mask.copy()
    kept[mask] = content
    for at, x in read.items():
        read[at] = x.flatten(0, 1) if kept.all() else x[torch.from_numpy(kept).to(x.device)]
        if not bool(read[at].isfinite().all()):
            raise SaesteerError(f"the activations at {at} hold NaN or infinity; load the model in float32")
    for site in sites:
        yield _encoded(site, read[site.hookpoint], content)


def _encoded(site: Site, x: Float[Tensor, "m d_in"], content: Bool[np.ndarray, " n"]) -> Found:
    parts = [_piece(site, each) for each in x.split(_PIECE if site.sae.cfg.k is None else len(x) or 1)]
    counts = np.zeros(len(content), np.int32)
    found = Found.join(parts)
    counts[content] = found.counts
    return Found(counts, found.latents, found.values)


def _piece(site: Site, x: Float[Tensor, "m d_in"]) -> Found:
    sparse = site.way.encode(site.sae, x.to(site.sae.W_enc.device))
    indices, values = sparse.indices.to(torch.int32), sparse.values.float()
    if not bool(values.isfinite().all()):
        raise SaesteerError("latents hold NaN or infinity; load the SAE in float32")
    active = values != 0  # tanh and identity have latents under 0
    counts = active.sum(-1, dtype=torch.int32).cpu().numpy()
    if counts.sum() < values.numel():
        indices, values = indices[active], values[active]
    return Found(counts, indices.flatten().cpu().numpy(), values.flatten().cpu().numpy())


def _places(order: Int[np.ndarray, " rows"], lengths: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " n"]:
    """Where each token of the group, row by row, stands when the rows are in `order`."""
    starts = np.empty(len(order), np.int64)
    starts[order] = np.cumsum(lengths[order]) - lengths[order]
    first = np.cumsum(lengths) - lengths
    return np.repeat(starts - first, lengths) + np.arange(lengths.sum())
