"""What latents read while requests are answered: `print` rows of a spec, which look and edit nothing.

Knows SAEs and positions; a journal gets one row per request and latent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from saesteer.model import LanguageModel, Positions
from saesteer.runs import Journal
from saesteer.saes import SAE, check_fits, load_sae
from saesteer.steering import SteeringSpec, Where
from saesteer.steering.formats.csv_beta import looked_at


@dataclass(frozen=True)
class Latent:
    """One latent that is looked at."""

    source: str
    hookpoint: str
    latent: int


@final
class Reader:
    """An edit that changes nothing: of each request the largest and mean value of a latent, special tokens
    apart.
    """

    def __init__(self, latent: Latent, sae: SAE) -> None:
        self.about, self.hookpoint, self._sae = latent, latent.hookpoint, sae
        self.begin(0)

    def begin(self, requests: int) -> None:
        """Forget what was seen; so many requests come."""
        self._highest = np.full(requests, -np.inf)
        self._sum, self._tokens, self._active = (np.zeros(requests) for _ in range(3))

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        z = self._sae.latent(x, [self.about.latent])[..., 0].detach().float().cpu().numpy()
        chosen, request = Where().select(at).cpu().numpy(), at.request.cpu().numpy()
        np.maximum.at(self._highest, request, np.where(chosen, z, -np.inf).max(-1))
        for kept, new in ((self._sum, z), (self._tokens, 1.0), (self._active, z > 0)):
            np.add.at(kept, request, np.where(chosen, new, 0.0).sum(-1))
        return x

    def row(self, request: int) -> dict[str, Any]:
        """What a request showed; nulls where it had no token that counts."""
        tokens = int(self._tokens[request])
        found: dict[str, Any] = {
            "sae": self.about.source,
            "hookpoint": self.about.hookpoint,
            "latent": self.about.latent,
            "tokens": tokens,
        }
        share = self._active[request] / max(tokens, 1)
        values = {"max": self._highest[request], "mean": self._sum[request] / max(tokens, 1), "active": share}
        return found | {key: float(value) if tokens else None for key, value in values.items()}


class Readings:
    """The readers of a spec, and the file that their rows go to (None: kept in memory)."""

    def __init__(self, readers: Sequence[Reader] = (), path: Path | None = None) -> None:
        self.readers = tuple(readers)
        self.rows: list[dict[str, Any]] = []
        self.path = path
        if path is not None and self.readers:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # of an earlier run

    def __bool__(self) -> bool:
        return bool(self.readers)

    def begin(self, requests: int) -> None:
        """A batch of so many requests comes."""
        for each in self.readers:
            each.begin(requests)

    def note(self, named: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Rows of the batch that was computed, each with what names its request."""
        found = [{**about, **reader.row(place)} for place, about in named for reader in self.readers]
        if self.path is None:
            self.rows.extend(found)
        elif found:
            Journal(self.path).append(*found)


def readers_of(
    lm: LanguageModel, spec: SteeringSpec | None, saes: Mapping[str, SAE], force: bool = False
) -> list[Reader]:
    """One for each `print` row of a spec; `saes`: by source, those that are loaded already."""
    found, loaded = [], dict(saes)
    for source, hookpoint, latent in () if spec is None else looked_at(spec):
        if source not in loaded:
            loaded[source] = load_sae(source, device=str(lm.device), download=False)
        sae, at = loaded[source], lm.hookpoint(hookpoint)
        if force:
            check_fits(sae, lm.width(at), lm.name, at, use="read")
        else:
            check_fits(sae, lm.width(at), lm.name, at, lm.fingerprint(), lm.hookpoint, "read")
        found.append(Reader(Latent(source, at, latent), sae))
    return found
