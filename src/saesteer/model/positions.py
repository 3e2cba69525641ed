"""Which tokens a chunk of computation holds: content or padding, prompt or generated, whose request.

Padding comes from the attention mask alone, since pad, eos and bos may be one token (GPT-2). Phase comes from
the cache: a chunk on an empty cache is prompt, a later one is generated, however long either is. So of a
prompt that fills the cache in several chunks only the first counts as prompt. Knows no hook and no model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from saesteer.model.memory import RowMemory

NEVER: Final = 2**62
"""An index beyond any text."""


@dataclass(frozen=True)
class SpecialTokens:
    """The ids that a tokenizer (or, without one, the config) calls special."""

    ids: frozenset[int] = frozenset()
    bos: int | None = None
    bos_only: bool = False
    """The BOS is not EOS or padding too, as it is for GPT-2, so it is one wherever it stands."""
    vocab_size: int | None = None
    """How many ids there are, where that is known; -1 is no id."""
    _tables: dict[torch.device, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def find(self, ids: Int[Tensor, "batch chunk"]) -> Bool[Tensor, "batch chunk"]:
        """Where `ids` holds a special token."""
        if self.vocab_size is None:
            return torch.isin(ids, torch.tensor(sorted(self.ids), dtype=torch.long, device=ids.device))
        table = self._tables.get(ids.device)
        if table is None:  # some tokenizers have hundreds, so one look-up; -1 finds the entry at the end
            table = torch.zeros(self.vocab_size + 1, dtype=torch.bool)
            table[sorted(self.ids)] = True
            self._tables[ids.device] = table = table.to(ids.device)
        return table.take(ids)

    def find_bos(
        self, ids: Int[Tensor, "batch chunk"], index: Int[Tensor, "batch chunk"]
    ) -> Bool[Tensor, "batch chunk"]:
        """Where `ids` holds a BOS, `index` being the places in the content."""
        if self.bos is None:
            return torch.zeros_like(ids, dtype=torch.bool)
        found = ids == self.bos
        return found if self.bos_only else found & (index == 0)


@dataclass(frozen=True, eq=False)
class Positions:
    """The chunk that is being computed now; all [batch, chunk] unless said.

    What follows from the fields is computed when first asked: a step of generation needs little of it, and a
    small model's step is short.
    """

    ids: Int[Tensor, "batch chunk"]
    """Token ids; -1 where the model was called with embeddings."""
    request: Int[Tensor, " batch"]
    """Which request a row belongs to."""
    seen: Bool[Tensor, "batch total"] | None = None
    """Content, not padding, up to the chunk's end; None: all is content."""
    start: int = 0
    """Columns that came before this chunk."""
    special_tokens: SpecialTokens = SpecialTokens()
    prompt_length: Int[Tensor, " batch"] | None = None
    """How much content is prompt where that is known; else a chunk on an empty cache is prompt, all of it."""
    memory: RowMemory = field(default_factory=RowMemory, repr=False)
    """What `earliest` keeps for the chunks to come."""

    @cached_property
    def mask(self) -> Bool[Tensor, "batch chunk"]:
        """Content, not padding."""
        if self.seen is None:
            return torch.ones_like(self.ids, dtype=torch.bool)
        return self.seen[:, -self.ids.shape[1] :]

    @cached_property
    def index(self) -> Int[Tensor, "batch chunk"]:
        """Position in the content: 0 is the BOS where there is one. Arbitrary at padding."""
        batch, chunk = self.ids.shape
        if self.seen is None:
            return torch.arange(self.start, self.start + chunk, device=self.ids.device).expand(batch, chunk)
        if chunk == 1:  # a step of generation: no sums over the past but one
            return self.length[:, None] - 1
        return (self.seen.cumsum(-1) - 1)[:, -chunk:]

    @cached_property
    def length(self) -> Int[Tensor, " batch"]:
        """Content so far, this chunk included."""
        if self.seen is None:
            return torch.full((len(self.ids),), self.start + self.ids.shape[1], device=self.ids.device)
        return self.seen.sum(-1)

    @cached_property
    def ordinary(self) -> Bool[Tensor, "batch chunk"]:
        """Content that is no special token."""
        return self.mask & ~self.special_tokens.find(self.ids)

    @cached_property
    def special(self) -> Bool[Tensor, "batch chunk"]:
        """Special tokens, the BOS among them."""
        return self.special_tokens.find(self.ids) & self.mask

    @cached_property
    def bos(self) -> Bool[Tensor, "batch chunk"]:
        """The token that begins a text."""
        return self.special_tokens.find_bos(self.ids, self.index) & self.mask

    @cached_property
    def last(self) -> Bool[Tensor, "batch chunk"]:
        """The last content so far."""
        return self.mask & (self.index == self.length[:, None] - 1)

    @cached_property
    def prompt(self) -> Bool[Tensor, "batch chunk"]:
        """The prompt's tokens."""
        if self.prompt_length is not None:
            return self.mask & (self.index < self.prompt_length[:, None])
        return self.mask if self.start == 0 else torch.zeros_like(self.mask)

    @cached_property
    def generated(self) -> Bool[Tensor, "batch chunk"]:
        """Generated tokens and the last one of the prompt, which predicts the first of them."""
        if self.prompt_length is not None:
            return self.mask & (self.index >= self.prompt_length[:, None] - 1)
        return self.last if self.start == 0 else self.mask

    def earliest(
        self, chosen: Bool[Tensor, "batch chunk"], key: object, unseen: int = NEVER
    ) -> Int[Tensor, " batch"]:
        """The index of each row's first chosen position, the chunks before this one included.

        NEVER where there was none. `key`: the same for the same question in every chunk; what was found stays
        with its row through every reordering of the cache. `unseen`: the index for rows whose past was not
        asked about. InputError where rows came or went by other ways than the cache's own methods.
        """
        found = torch.where(chosen, self.index, NEVER).amin(-1)
        past = self.length - self.mask.sum(-1)
        before = self.memory.before(key, len(found))
        before = found.new_tensor(unseen) if before is None else before
        found = torch.where(before < past, before, found)  # else it was in tokens that the cache has dropped
        self.memory.leave(key, found)
        return found
