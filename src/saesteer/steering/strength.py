"""How strong an intervention is, in which unit, and what that is in plain numbers. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from saesteer.errors import BadSpec
from saesteer.steering.fields import finite, mapping, one_of, record

MEASURABLE: Final = ("residual_norm", "latent_max")
"""Units that are a fixed number times `value`, measured on texts."""
CALIBRATED: Final = ("kl", "nats")
"""Units without a fixed factor: only calibration finds their resolved value."""
UNITS: Final = ("raw", *MEASURABLE, *CALIBRATED)


@dataclass(frozen=True)
class Strength:
    """`value` in `unit`; 0 is off, whatever the op."""

    value: float = 1.0
    unit: str = "raw"
    """raw; residual_norm: mean length of the activations; latent_max: the latent's largest activation."""
    resolved: float | None = None
    """The value as a plain number."""
    measured_on: Mapping[str, Any] | None = field(default=None, hash=False)
    """What the unit was measured on; `unit_value` in it is what 1 is."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", finite("value", self.value))
        one_of("unit", self.unit, UNITS)
        if self.resolved is not None:
            object.__setattr__(self, "resolved", finite("resolved", self.resolved))
        if self.measured_on is not None:
            measured = mapping("measured_on", self.measured_on)
            object.__setattr__(self, "measured_on", measured)
            if "unit_value" in measured and finite("measured_on.unit_value", measured["unit_value"]) <= 0:
                raise BadSpec(f"measured_on.unit_value: must be positive, got {measured['unit_value']}")
        self._check_resolved()

    def _check_resolved(self) -> None:
        factor = self._noted_factor()
        if self.resolved is None or factor is None:
            return
        expected = self.value * factor
        if abs(self.resolved - expected) > 1e-4 * max(abs(expected), abs(self.resolved)):
            raise BadSpec(
                f"resolved: must be {expected:.6g} for value {self.value:g} in {self.unit}, "
                f"got {self.resolved:.6g}; remove it to have it computed"
            )

    @property
    def factor(self) -> float | None:
        """What 1 of the unit is as a plain number, where that is known."""
        noted = self._noted_factor()
        if noted is not None or self.resolved is None or self.value == 0 or self.unit in CALIBRATED:
            return noted
        return self.resolved / self.value

    @property
    def plain(self) -> float | None:
        """The value as a plain number, where that is known."""
        if self.value == 0:
            return 0.0
        factor = self.factor
        return self.resolved if factor is None else self.value * factor

    def at(self, value: float, unit: str | None = None) -> Strength:
        """Another value in the same unit, or in another."""
        if unit is not None and unit != self.unit:
            return Strength(value, unit)
        value = finite("value", value)
        factor = self.factor
        if factor is None or self.unit == "raw":
            return Strength(value, self.unit)
        # The factor stays with the value, also through a 0.
        measured = {**(self.measured_on or {}), "unit_value": factor}
        return replace(self, value=value, resolved=value * factor, measured_on=measured)

    def measured(self, unit_value: float, about: Mapping[str, Any]) -> Strength:
        """The same with what its unit was measured to be."""
        noted = {"unit_value": unit_value, **about}
        return replace(self, resolved=self.value * unit_value, measured_on=noted)

    def to_dict(self) -> dict[str, Any]:
        """What is set."""
        found: dict[str, Any] = {"value": self.value, "unit": self.unit}
        if self.resolved is not None:
            found["resolved"] = self.resolved
        if self.measured_on is not None:
            found["measured_on"] = dict(self.measured_on)
        return found

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Strength:
        """From the mapping in a spec."""
        return cls(**record(given, ("value", "unit", "resolved", "measured_on")))

    def _noted_factor(self) -> float | None:
        if self.unit == "raw":
            return 1.0
        return None if self.unit in CALIBRATED else (self.measured_on or {}).get("unit_value")
