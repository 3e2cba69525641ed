"""Foreign files of SAEs, one format per file; each turns its files into a config and tensors of ours.

Knows files that lie on this machine; not where they come from.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from saesteer.names import Registry
from saesteer.saes.loaders.format import Format, Found, Parts

_OURS: Final[dict[str, str | Format]] = {
    "sae_lens": "saesteer.saes.loaders.sae_lens:FORMAT",
    "sparsify": "saesteer.saes.loaders.sparsify:FORMAT",
    "gemma_scope": "saesteer.saes.loaders.gemma_scope:FORMAT",
    "gemma_scope_2": "saesteer.saes.loaders.gemma_scope_2:FORMAT",
    "openai": "saesteer.saes.loaders.openai:FORMAT",
    "dictionary_learning": "saesteer.saes.loaders.dictionary_learning:FORMAT",
    "scar": "saesteer.saes.loaders.scar:FORMAT",
}
FORMATS: Registry[Format] = Registry("SAE format", _OURS, group="saesteer.sae_formats")


def recognised(path: Path) -> tuple[Format, Path] | None:
    """The format of a folder or file, and the folder or file that is meant; None where there is none.

    A file may be one of a folder's: then the folder is meant.
    """
    return _among(_OURS, path) or _among(FORMATS.names(), path)  # others' take 0.1 s to look up


def _among(names: Iterable[str], path: Path) -> tuple[Format, Path] | None:
    formats = [FORMATS.get(name) for name in names]
    if os.path.isfile(path):
        for each in formats:
            if path.name in each.files and each.recognises(path.parent):
                return each, path.parent
    return next(((each, path) for each in formats if each.recognises(path)), None)


__all__ = ["FORMATS", "Format", "Found", "Parts", "recognised"]
