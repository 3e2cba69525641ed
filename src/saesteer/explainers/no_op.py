"""No explanation at all, for scorers that need none (intruder, example embedding)."""

from __future__ import annotations

from dataclasses import dataclass, field

from saesteer.examples import Explanation, LatentRecord
from saesteer.runs import digest


@dataclass(frozen=True)
class NoOp:
    """Neither text nor failure."""

    name: str = field(default="no_op", init=False)

    async def explain(self, record: LatentRecord) -> Explanation:
        """Without text."""
        return Explanation(record.id, self.name, None)

    def fingerprint(self) -> str:
        """Always the same."""
        return digest({"explainer": self.name})
