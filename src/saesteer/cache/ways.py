"""Which of two ways an SAE chooses its k largest latents: settled once for a cache, also for its resumption.

A TopK SAE may go by a cheaper product first (saesteer.saes.first_pass). Whether that pays is a matter of
time, so another process may find otherwise, and the two ways differ in the last bits of values. Each run
therefore says in the journal which way was taken and how many tokens needed the full product after all; all
that follows from this is counted from whole runs, never from what a process happens to remember. Knows SAEs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from jaxtyping import Float
from torch import Tensor

from saesteer.errors import SaesteerError
from saesteer.saes import SAE
from saesteer.saes.first_pass import Tally
from saesteer.saes.first_pass_probe import FALLEN, ROWS
from saesteer.saes.sparse import SparseLatents
from saesteer.saes.topk import TopKSAE

_TRIED: Final = 512  # tokens of the first microbatch that settle it


@dataclass
class Way:
    """Of one SAE in one cache."""

    first: bool | None = None
    """By the cheaper product first; None: not settled, since no microbatch had `ROWS` tokens yet."""
    fallen: bool = False
    """Too many tokens of earlier runs needed the full product, so the cheaper one is left out from here."""
    rows: int = 0
    fell_back: int = 0
    """Of the run that is being read."""

    def begin(self, runs: Iterable[dict[str, Any]]) -> None:
        """A new run, after these that the journal has; `runs`: what each says of this SAE."""
        said = [each.get("first_pass", {}) for each in runs]
        self.first = next((each["taken"] for each in said if each.get("taken") is not None), None)
        self.fallen = total(said).share > FALLEN
        self.rows = self.fell_back = 0

    def record(self) -> dict[str, Any]:
        """For the journal, of one run."""
        return {"first_pass": {"taken": self.first, "rows": self.rows, "fell_back": self.fell_back}}

    def encode(self, sae: SAE, x: Float[Tensor, "m d_in"]) -> SparseLatents:
        """As `sae.encode_sparse`, the settled way; the first microbatch that is large enough settles it."""
        if not isinstance(sae, TopKSAE):
            return sae.encode_sparse(x)
        enough = len(x) >= ROWS
        if self.first is None and enough:
            self.first = _settle(sae, x)
        if not (self.first and enough) or self.fallen:
            with _told(sae, "never"):
                return sae.encode_sparse(x)
        before = (sae.tally.rows, sae.tally.fell_back)
        with _told(sae, "always"):
            found = sae.encode_sparse(x)
        self._count(sae, *before)
        return found

    def _count(self, sae: TopKSAE, rows: int, fell_back: int) -> None:
        if sae.tally.rows == rows:
            raise SaesteerError(
                "this cache was begun with an SAE in float32 on a CPU, which goes by a cheaper product first;"
                f" here it is {sae.W_enc.dtype} on {sae.W_enc.device.type}: go on as it was begun, or delete "
                "the unfinished folder"
            )
        self.rows += sae.tally.rows - rows
        self.fell_back += sae.tally.fell_back - fell_back


def total(said: Iterable[dict[str, Any]]) -> Tally:
    """Of several runs."""
    found = Tally()
    for each in said:
        found.rows += each.get("rows", 0)
        found.fell_back += each.get("fell_back", 0)
    return found


def _settle(sae: TopKSAE, x: Float[Tensor, "m d_in"]) -> bool:
    """What the SAE does by itself: as it was told, or as its probe finds with these tokens."""
    if sae.first_pass == "never":
        return False
    sae.encode_sparse(x[:_TRIED])  # the probe, where there was none before, forgets what was counted
    before = sae.tally.rows
    if not before:
        return False
    sae.encode_sparse(x[:ROWS])
    return sae.tally.rows > before


@contextmanager
def _told(sae: TopKSAE, way: Literal["always", "never"]) -> Iterator[None]:
    before, sae.first_pass = sae.first_pass, way
    try:
        yield
    finally:
        sae.first_pass = before
