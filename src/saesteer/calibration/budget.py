"""What steering may cost: limits on coherence, distance from the plain model, and the size of the edit.

Knows figures of a probe; runs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.evaluation import Divergence, Figures
from saesteer.evaluation.figures import known


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits that hold all at once; None is no limit."""

    coherence: float | None = None
    """Mean coherence by the judge, at least."""
    kl: float | None = None
    """Mean KL(steered || plain) per token in nats, at most."""
    nats: float | None = None
    """Mean cross-entropy per token that steering adds, at most."""
    added_perplexity: float | None = None
    """Growth of perplexity, at most: 0.3 is 30 % more, exp(nats) - 1."""
    residual_norm: float | None = None
    """Mean length of the edit over mean length of the activation it changes, at most."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value <= 0 or (name == "coherence" and value > 1):
                told = "between 0 and 1" if name == "coherence" else "greater than 0"
                raise InputError(f"a budget of {name} is a number {told}, got {value!r}; mend it")
        if not self.limits:
            raise InputError(f"a budget has one limit or more, got none; give {', '.join(asdict(self))}")

    @classmethod
    def of(cls, given: Budget | Mapping[str, float]) -> Budget:
        """From a mapping; UnknownName for a limit that there is not."""
        if isinstance(given, Budget):
            return given
        for name in given:
            if name not in cls.__dataclass_fields__:
                raise UnknownName.of("limit of a budget", name, cls.__dataclass_fields__)
        return cls(**given)

    @property
    def limits(self) -> dict[str, float]:
        """Those that are set."""
        return {name: float(value) for name, value in asdict(self).items() if value is not None}

    @property
    def texts_suffice(self) -> bool:
        """Whether some limit can be told on fixed texts, without a judge."""
        return set(self.limits) != {"coherence"}

    def used(self, found: Divergence) -> float:
        """The largest share used of a limit that fixed texts tell; above 1 it is broken, 0 without any."""
        return max((costs(found)[name] / limit for name, limit in self._fixed.items()), default=0.0)

    def coherent(self, found: Figures) -> bool:
        """Whether these texts keep the coherence that is asked for, if any is."""
        return self.coherence is None or known(found.coherence).estimate >= self.coherence

    def broken(self, found: Divergence, coherence: float | None) -> tuple[str, ...]:
        """The limits that are broken, in a fixed order; a coherence of None breaks none."""
        told = [name for name, limit in self._fixed.items() if not costs(found)[name] <= limit]
        if self.coherence is not None and coherence is not None and not coherence >= self.coherence:
            told.insert(0, "coherence")
        return tuple(told)

    @property
    def _fixed(self) -> dict[str, float]:
        return {name: limit for name, limit in self.limits.items() if name != "coherence"}


def costs(found: Divergence) -> dict[str, float]:
    """What fixed texts tell, by the names of the limits."""
    return {
        "kl": found.kl,
        "nats": found.nats,
        "added_perplexity": math.expm1(min(found.nats, _LARGEST)),
        "residual_norm": found.moved,
    }


_LARGEST: Final = 700.0  # exp of more is no float


def shown(limits: Mapping[str, Any]) -> str:
    """coherence >= 0.8, kl <= 0.5."""
    return ", ".join(
        f"{name} {'>=' if name == 'coherence' else '<='} {value:g}" for name, value in limits.items()
    )
