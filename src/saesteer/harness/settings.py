"""The settings of a sweep: every spec at every strength, each with a name of its own. Knows no model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from saesteer.errors import InputError
from saesteer.harness.asked import Asked

PLAIN: Final = "unsteered"
"""The name of the plain model's setting."""


@dataclass(frozen=True)
class Setting:
    """One column of a sweep."""

    name: str
    spec: str
    asked: Asked

    @property
    def stage(self) -> str:
        """What its folder's name begins with; what was asked, which tells folders apart, is behind it."""
        plain = re.sub(r"[^A-Za-z0-9._@-]", "_", self.name).replace("@", "-at-")
        return plain.lstrip("._-")[:80] or "spec"


def settings_of(specs: Sequence[Path], strengths: Sequence[float], common: Asked) -> list[Setting]:
    """Every spec at every strength (none: its own); the plain model is no setting, it is always run."""
    if not specs:
        raise InputError(
            "a sweep compares specs with the plain model; give --spec FILE, once or several times"
        )
    found = []
    for path, name in zip(specs, _names(specs), strict=True):
        for strength in strengths or (None,):
            label = name if strength is None else f"{name}@{_plain(strength)}"
            found.append(Setting(label, name, replace(common, file=path, strength=strength)))
    if len({each.name for each in found}) < len(found):
        raise InputError("two settings of the sweep are the same; give each spec and strength once")
    for each in found:
        if each.name == PLAIN:
            raise InputError(f"{each.asked.file} has the name of the plain model's setting; rename the file")
    return found


def _names(specs: Sequence[Path]) -> list[str]:
    """Of the files, with as much of their folders as tells them apart."""
    stems, whole = [path.stem for path in specs], [path.resolve() for path in specs]
    if len(set(stems)) == len(stems):
        return stems
    for parts in range(2, 1 + max(len(each.parts) for each in whole)):
        names = ["-".join(each.parts[-parts:]) for each in whole]
        if len(set(names)) == len(set(whole)):
            break
    return [stem if stems.count(stem) == 1 else name for stem, name in zip(stems, names, strict=True)]


def _plain(strength: float) -> str:
    """A number with as many digits as tell it from its neighbours."""
    return f"{strength:g}" if float(f"{strength:g}") == strength else repr(strength)
