"""Which tokens a chunk of computation holds: content or padding, prompt or generated, whose request.

Padding comes from the attention mask alone, since pad, eos and bos may be one token (GPT-2). Phase comes from
the cache: a chunk on an empty cache is prompt, a later one is generated, however long either is. So of a
prompt that fills the cache in several chunks only the first counts as prompt. Knows no hook and no model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True)
class Positions:
    """The chunk that is being computed now; all [batch, chunk] unless said."""

    ids: Int[Tensor, "batch chunk"]
    """Token ids; -1 where the model was called with embeddings."""
    mask: Bool[Tensor, "batch chunk"]
    """Content, not padding."""
    index: Int[Tensor, "batch chunk"]
    """Position in the content: 0 is the BOS where there is one. Arbitrary at padding."""
    special: Bool[Tensor, "batch chunk"]
    bos: Bool[Tensor, "batch chunk"]
    prompt: Bool[Tensor, "batch chunk"]
    generated: Bool[Tensor, "batch chunk"]
    """Generated tokens and the last one of the prompt, which predicts the first of them."""
    last: Bool[Tensor, "batch chunk"]
    """The last content so far."""
    length: Int[Tensor, " batch"]
    """Content so far, this chunk included."""
    request: Int[Tensor, " batch"]
    """Which request a row belongs to."""

    def with_request(self, request: Int[Tensor, " batch"]) -> Positions:
        return replace(self, request=request)


@dataclass(frozen=True)
class SpecialTokens:
    """The ids that a tokenizer (or, without one, the config) calls special."""

    ids: frozenset[int] = frozenset()
    bos: int | None = None
    bos_only: bool = False
    """The BOS is not EOS or padding too, as it is for GPT-2, so it is one wherever it stands."""

    def find(self, ids: Int[Tensor, "batch chunk"]) -> Bool[Tensor, "batch chunk"]:
        """Where `ids` holds a special token."""
        found = torch.zeros_like(ids, dtype=torch.bool)
        for each in self.ids:
            found |= ids == each
        return found


def locate(
    ids: Int[Tensor, "batch chunk"],
    mask: Bool[Tensor, "batch total"] | None,
    start: int,
    special: SpecialTokens,
    prompt: Int[Tensor, " batch"] | None = None,
) -> Positions:
    """The positions of `ids`, of which `start` came before; `mask`: content up to the end of the chunk.

    `prompt`: how much content is prompt; None: the chunk on an empty cache, all of it.
    """
    batch, chunk = ids.shape
    if mask is None:
        content = torch.ones_like(ids, dtype=torch.bool)
        index = torch.arange(start, start + chunk, device=ids.device).expand(batch, chunk)
        length = torch.full((batch,), start + chunk, device=ids.device)
    elif chunk == 1:  # a step of generation: no sums over the past but one
        content = mask[:, -1:]
        length = mask.sum(-1)
        index = length[:, None] - 1
    else:
        content = mask[:, -chunk:]
        index = (mask.cumsum(-1) - 1)[:, -chunk:]
        length = index[:, -1] + 1
    last = content & (index == length[:, None] - 1)
    if prompt is not None:
        is_prompt = content & (index < prompt[:, None])
        generated = content & (index >= prompt[:, None] - 1)
    elif start == 0:
        is_prompt, generated = content, last
    else:
        is_prompt, generated = torch.zeros_like(content), content
    return Positions(
        ids=ids,
        mask=content,
        index=index,
        special=special.find(ids) & content,
        bos=_find_bos(ids, index, special) & content,
        prompt=is_prompt,
        generated=generated,
        last=last,
        length=length,
        request=torch.arange(batch, device=ids.device),
    )


def _find_bos(
    ids: Int[Tensor, "batch chunk"], index: Int[Tensor, "batch chunk"], special: SpecialTokens
) -> Bool[Tensor, "batch chunk"]:
    if special.bos is None:
        return torch.zeros_like(ids, dtype=torch.bool)
    found = ids == special.bos
    return found if special.bos_only else found & (index == 0)
