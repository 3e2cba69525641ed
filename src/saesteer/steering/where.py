"""Where an intervention acts: positions. Knows positions; no spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from jaxtyping import Bool
from torch import Tensor

from saesteer.errors import BadSpec
from saesteer.model import Positions
from saesteer.steering.fields import bad, one_of, reading, record, sequence, shown, whole

POSITIONS: Final = ("all", "prompt", "generated", "last", "first")
SKIPPABLE: Final = ("bos", "special")


@dataclass(frozen=True)
class Where:
    """Which positions of the content; padding is none of it."""

    positions: str | tuple[int, int] = "all"
    """One of POSITIONS, or a half-open window [a, b) over the content, in which BOS has place 0.

    generated includes the last prompt position, which predicts token one; last is the last content so far, so
    in generation every new token; first is the first position that `skip` leaves.
    """
    token_ids: tuple[int, ...] | None = None
    """Only these tokens; in a record {token_ids: [...]} as the positions."""
    skip: tuple[str, ...] = SKIPPABLE
    """bos; special: the tokenizer's other special tokens."""

    def __post_init__(self) -> None:
        skip = sequence("skip", self.skip)
        for place, each in enumerate(skip):
            one_of(f"skip[{place}]", each, SKIPPABLE)
        object.__setattr__(self, "skip", tuple(each for each in SKIPPABLE if each in skip))
        if self.token_ids is not None:
            ids = sequence("positions.token_ids", self.token_ids)
            if not ids or self.positions != "all":
                raise BadSpec(
                    f"positions.token_ids: must be token ids and stand alone, got {shown(self.token_ids)}"
                )
            checked = [whole(f"positions.token_ids[{i}]", each) for i, each in enumerate(ids)]
            object.__setattr__(self, "token_ids", tuple(sorted(set(checked))))
        if isinstance(self.positions, str):
            one_of("positions", self.positions, POSITIONS)
        else:
            object.__setattr__(self, "positions", _window(self.positions))

    def select(self, at: Positions) -> Bool[Tensor, "batch chunk"]:
        """Where in this chunk."""
        chosen = self._unskipped(at)
        if self.token_ids is not None:
            return chosen & torch.isin(at.ids, at.ids.new_tensor(self.token_ids))
        if isinstance(self.positions, tuple):
            first, end = self.positions
            return chosen & (at.index >= first) & (at.index < end)
        if self.positions == "all":
            return chosen
        if self.positions == "first":
            earliest = at.earliest(chosen, ("first", self.skip), unseen=0)  # a past that nobody saw held it
            return chosen & (at.index == earliest[:, None])
        named: Bool[Tensor, "batch chunk"] = getattr(at, self.positions)  # prompt, generated or last
        return chosen & named

    def moved(
        self, positions: str | tuple[int, int] | None = None, skip: tuple[str, ...] | None = None
    ) -> Where:
        """The same at other positions, or with others left out; None: as here."""
        skip = self.skip if skip is None else skip
        if positions is None:
            return Where(self.positions, self.token_ids, skip)
        return Where(positions, skip=skip)

    def to_dict(self) -> dict[str, Any]:
        """positions and skip."""
        positions = self.positions if isinstance(self.positions, str) else list(self.positions)
        if self.token_ids is not None:
            return {"positions": {"token_ids": list(self.token_ids)}, "skip": list(self.skip)}
        return {"positions": positions, "skip": list(self.skip)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Where:
        """From the mapping in a spec."""
        given = record(given, ("positions", "skip"))
        if isinstance(given.get("positions"), Mapping):
            with reading("positions", given["positions"]) as positions:
                chosen = record(positions, ("token_ids",), ("token_ids",))["token_ids"]
            return cls(token_ids=sequence("positions.token_ids", chosen), skip=given.get("skip", SKIPPABLE))
        return cls(**given)

    def _unskipped(self, at: Positions) -> Bool[Tensor, "batch chunk"]:
        if self.skip == SKIPPABLE:  # BOS is among the special tokens, so one mask does for both
            return at.ordinary
        chosen = at.mask
        if "bos" in self.skip:
            chosen = chosen & ~at.bos
        if "special" in self.skip:
            chosen = chosen & (~at.special | at.bos)
        return chosen


def _window(value: object) -> tuple[int, int]:
    ends = sequence("positions", value)
    if len(ends) != 2:
        raise bad("positions", f"must be one of {', '.join(POSITIONS)} or [a, b], got {shown(value)}")
    first, end = (whole(f"positions[{place}]", each) for place, each in enumerate(ends))
    if first >= end:
        raise bad("positions", f"must be [a, b] with a < b (b itself is left out), got [{first}, {end}]")
    return first, end
