"""Releases of SAEs by name: sae_lens' own catalogue where it is installed (it is not imported), else ours.

Both have one form; ours, `catalogue.yaml`, has a few releases that are much used. An SAE of a release is
called `release/sae_id`. Knows names; downloads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from saesteer.errors import CorruptFile, InputError, UnknownName

FILE: Final = "pretrained_saes.yaml"
_OURS: Final = Path(__file__).with_name("catalogue.yaml")
_FORMATS: Final = {
    None: "sae_lens",
    "sae_lens": "sae_lens",
    "gemma_2": "gemma_scope",
    "gemma_2_transcoder": "gemma_scope",
    "gemma_3": "gemma_scope_2",
    "dictionary_learning_1": "dictionary_learning",
    "sparsify": "sparsify",
}
"""What converts a release in sae_lens -> our format of its files."""


@dataclass(frozen=True)
class Entry:
    """One SAE of a release."""

    repo: str
    folder: str
    format: str
    """A name of FORMATS."""
    model: str = ""
    factor: float | None = None
    """Of the activations it was trained on (`expected_average_only_in`)."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a `cfg.json` that are known better than the file knows them."""


def split(name: str) -> tuple[str, str] | None:
    """Release and SAE of a name, where it begins with a release; None else."""
    release, slash, sae_id = name.partition("/")
    return (release, sae_id) if slash and release in _releases() else None


def entry(release: str, sae_id: str) -> Entry:
    """The SAE of a release; InputError where there is none or its format cannot be read."""
    about = _releases()[release]
    saes = {str(each["id"]): each for each in about["saes"]}
    if sae_id not in saes:
        raise UnknownName.of(f"SAE of {release}", sae_id, saes)
    conversion = about.get("conversion_func")
    if conversion not in _FORMATS:
        known = ", ".join(sorted({each for each in _FORMATS.values()}))
        raise InputError(
            f"{release} is of the format {conversion!r}, which cannot be read; one of {known} can"
        )
    each = saes[sae_id]
    overrides = dict(about.get("config_overrides") or {})
    if each.get("neuronpedia"):
        overrides["neuronpedia_id"] = each["neuronpedia"]
    return Entry(
        repo=str(about["repo_id"]),
        folder=str(each["path"]),
        format=_FORMATS[conversion],
        model=str(about.get("model") or ""),
        factor=each.get("norm_scaling_factor"),
        overrides=overrides,
    )


def names() -> list[str]:
    """Every release."""
    return sorted(_releases())


def whose() -> str:
    """Which catalogue is used, for messages."""
    return "sae_lens" if _installed() else "saesteer (install sae_lens for all of its releases)"


def _installed() -> Path | None:
    spec = find_spec("sae_lens")
    places = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(places[0]) / FILE if places else None
    return path if path is not None and path.is_file() else None


@cache
def _releases() -> dict[str, Any]:
    return _parsed(_installed() or _OURS)


def _parsed(path: Path) -> dict[str, Any]:
    """The catalogue; in C where PyYAML has it, since it has 13,857 SAEs."""
    import yaml

    try:
        value = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise CorruptFile(f"the catalogue {path} cannot be read ({error}); install sae_lens anew") from error
    if not isinstance(value, dict):
        raise CorruptFile(f"the catalogue {path} holds no releases; install sae_lens anew")
    return value
