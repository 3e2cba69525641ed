"""Texts to padded rows of token ids and back. Knows a tokenizer and no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from saesteer.errors import InputError, ShapeMismatch
from saesteer.model.positions import SpecialTokens

Side = Literal["left", "right"]


@dataclass(frozen=True)
class Tokens:
    """Rows of token ids with their content; what the padding is does not matter."""

    ids: Int[Tensor, "batch seq"]
    mask: Bool[Tensor, "batch seq"]

    def __post_init__(self) -> None:
        if self.ids.ndim != 2 or self.ids.shape != self.mask.shape:
            raise ShapeMismatch(
                f"ids {list(self.ids.shape)} and mask {list(self.mask.shape)} must both be [batch, seq]"
            )
        if self.mask.dtype != torch.bool:
            object.__setattr__(self, "mask", self.mask.bool())

    def positions(self) -> Int[Tensor, "batch seq"]:
        """Position ids, counted over the content; 0 at left padding."""
        return (self.mask.cumsum(-1) - 1).clamp(min=0)

    def lengths(self) -> Int[Tensor, " batch"]:
        """Content of each row."""
        return self.mask.sum(-1)

    def to(self, device: torch.device | str) -> Tokens:
        return Tokens(self.ids.to(device), self.mask.to(device))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice | Tensor) -> Tokens:
        """Some of the rows, as they are."""
        return Tokens(self.ids[rows], self.mask[rows])

    def trimmed(self) -> Tokens:
        """Without the columns that are padding in every row."""
        used = self.mask.any(0).nonzero()
        if not len(used):
            return self
        low, high = int(used[0]), int(used[-1]) + 1
        return Tokens(self.ids[:, low:high], self.mask[:, low:high])

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], side: Side = "right", fill: int = 0) -> Tokens:
        """Rows of ids, padded with `fill` on one side."""
        if side not in ("left", "right"):
            raise InputError(f"side is 'left' or 'right', got {side!r}")
        width = max(map(len, rows), default=0)
        ids = torch.full((len(rows), width), fill, dtype=torch.long)
        mask = torch.zeros(len(rows), width, dtype=torch.bool)
        for number, row in enumerate(rows):
            place = slice(width - len(row), width) if side == "left" else slice(0, len(row))
            ids[number, place] = torch.tensor(list(row), dtype=torch.long)
            mask[number, place] = True
        return cls(ids, mask)


def special_tokens(tokenizer: Any, config: Any, vocab_size: int) -> SpecialTokens:
    """The special ids of a tokenizer, or of the config where there is no tokenizer."""
    if tokenizer is not None:
        ids, bos = set(tokenizer.all_special_ids), tokenizer.bos_token_id
        others = {tokenizer.eos_token_id, tokenizer.pad_token_id}
    else:
        bos = getattr(config, "bos_token_id", None)
        others = {*as_ids(getattr(config, "eos_token_id", None)), getattr(config, "pad_token_id", None)}
        ids = {bos, *others} - {None}
    ids = {each for each in ids if 0 <= each < vocab_size}
    return SpecialTokens(frozenset(ids), bos, bos not in others, vocab_size)


def as_ids(value: int | Sequence[int] | None) -> tuple[int, ...]:
    """The ids of a config field that holds one id, several or none."""
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(value)


def encode(
    tokenizer: Any, texts: Sequence[str], bos: bool, max_length: int | None, vocabulary: int
) -> list[list[int]]:
    """The ids of each text, with one BOS in front if `bos` and the tokenizer has one; never two."""
    if isinstance(texts, str):
        raise InputError("texts is a list of strings, got one string; put it in a list")
    if tokenizer is None:
        raise InputError("this model has no tokenizer; give Tokens instead of texts")
    if max_length is not None and max_length < 1:
        raise InputError(f"max_length is at least 1, got {max_length}")
    if not texts:
        return []
    found = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)
    first = tokenizer.bos_token_id if bos else None
    rows = [_finished(list(ids), first)[:max_length] for ids in found["input_ids"]]
    for text, row in zip(texts, rows, strict=True):
        _check(text, row, vocabulary)
    return rows


def _finished(ids: list[int], bos: int | None) -> list[int]:
    return ids if bos is None or ids[:1] == [bos] else [bos, *ids]


def _check(text: str, row: list[int], vocabulary: int) -> None:
    if not row:
        raise InputError(f"the text {text[:40]!r} has no tokens, and no BOS is added; leave it out")
    if max(row) >= vocabulary:
        raise InputError(
            f"the tokenizer makes token {max(row)} of {text[:40]!r} and the model knows {vocabulary}; "
            "they do not belong together"
        )
