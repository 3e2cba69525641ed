"""`saesteer cache --import`: the reference's folder as one of our own. Knows paths and names of options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.cache import LatentCache


def import_reference(
    folder: Path,
    out: Path,
    model: str | None,
    device: str | None,
    ids: Path | None,
    hookpoints: Sequence[str] | None,
) -> LatentCache:
    """`model` gives the texts of the tokens, `ids` is a file of them."""
    from saesteer.cache import read_reference
    from saesteer.cli.inputs import open_model

    lm = None if model is None else open_model(model, device, "float32")
    found = read_reference(folder, hookpoints=hookpoints, tokens=ids, lm=lm)
    return found.save(out)


def check_options(importing: bool, needed: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """InputError for what is missing in a pass of a model, or has no meaning beside an import."""
    if not importing and (missing := [name for name, given in needed.items() if not given]):
        raise InputError(f"{missing[0]} is missing; give MODEL and --sae, or --import FOLDER")
    if unused := [name for name, given in others.items() if given not in (None, [])]:
        said = "no meaning beside --import" if importing else "a meaning only beside --import"
        raise InputError(f"{unused[0]} has {said}; leave it out")
