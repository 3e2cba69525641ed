"""What a run under the harness asks of a model: a spec, how much of it, and where. Knows no model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.steering import SteeringSpec, Where, load_spec

FILES: Final = ("spec", "csv_path", "steer_path")
"""Names of the file in model arguments: ours, the pull request's, and that of lm_eval's own steered model."""
OPTIONS: Final = ("strength", "positions", "skip", "force")


@dataclass(frozen=True)
class Asked:
    """A spec's file (None: the plain model) and what is changed of it before it is applied."""

    file: Path | None = None
    strength: float | None = None
    """In place of the spec's own, in its unit; 0 is off."""
    positions: str | tuple[int, int] | None = None
    skip: tuple[str, ...] | None = None
    force: bool = False
    """Steer although the spec was made for another model or SAE."""

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Asked:
        """From model arguments, as a command line spells them."""
        named = {key: arguments[key] for key in FILES if arguments.get(key) is not None}
        if len(named) > 1:
            raise InputError(f"{' and '.join(named)} name a spec each; give one of them")
        file = next(iter(named.values()), None)
        place, skip = _place(arguments.get("positions")), _skip(arguments.get("skip"))
        try:
            Where().moved(place, skip)
        except InputError as error:
            raise InputError(f"model argument {error}") from error
        strength = _strength(arguments.get("strength"))
        if file is None and (strength is not None or place is not None or skip is not None):
            raise InputError("strength, positions and skip are of a spec; name one: --spec FILE")
        path = None if file is None else Path(str(file)).expanduser()
        return cls(path, strength, place, skip, bool(arguments.get("force") or False))

    def spec(self) -> SteeringSpec | None:
        """The spec as it is applied."""
        if self.file is None:
            return None
        found = load_spec(self.file).placed(self.positions, self.skip)
        looks_only = found.provenance.get("inspected") and not any(
            each.strength.value for each in found.interventions
        )
        return found if self.strength is None or looks_only else found.with_strength(self.strength)


def _strength(given: Any) -> float | None:
    if given is None:
        return None
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"strength is a finite number, got {given!r}; leave it out for the spec's own")
    return value


def _place(given: Any) -> str | tuple[int, int] | None:
    if given is None or given == "":
        return None
    window = re.fullmatch(r"(\d+):(\d+)", str(given))
    return (int(window[1]), int(window[2])) if window else str(given)


def _skip(given: Any) -> tuple[str, ...] | None:
    """`bos,special`, also `bos+special`, since a comma ends a model argument; `none`: nothing is skipped."""
    if given is None:
        return None
    words = tuple(each for each in re.split(r"[,+\s]+", str(given)) if each)
    return () if words == ("none",) else words
