"""Which model a sweep was of, noted by the model's files: what is finished is found without loading it.

Knows folders, the Hub's local cache and fingerprints; no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from saesteer.errors import SaesteerError
from saesteer.model import MODELS
from saesteer.runs import digest, read_json, write_json


def known_fingerprint(record: Path, arguments: Mapping[str, Any], load: Callable[[], str]) -> str:
    """The fingerprint noted in `record` for a model of these arguments and files, else that of `load`, noted.

    Files count as the same with the same names, sizes and times. Of an id of the Hub they are those in its
    local cache; where there are none, the model is loaded.
    """
    key = _key(arguments)
    noted = _noted(record)
    if key is not None and key in noted:
        return noted[key]
    found = load()
    note(record, arguments, found)
    return found


def note(record: Path, arguments: Mapping[str, Any], fingerprint: str) -> None:
    """Keep the fingerprint of a model that was loaded; its files may have come just now."""
    if (key := _key(arguments)) is not None:
        write_json(record, _noted(record) | {key: fingerprint})


def _noted(record: Path) -> dict[str, str]:
    """A note that cannot be read costs one load."""
    try:
        found = read_json(record)
    except SaesteerError:
        return {}
    return {str(key): str(each) for key, each in found.items()} if isinstance(found, dict) else {}


def _key(arguments: Mapping[str, Any]) -> str | None:
    folder = _folder(arguments)
    if folder is None:
        return None
    named = {key: str(each) for key, each in arguments.items()}
    others = {key: _files(Path(each)) for key, each in named.items() if Path(each).is_dir()}  # a tokenizer
    return digest({"arguments": named, "files": _files(folder), "others": others})


def _files(folder: Path) -> list[list[Any]]:
    """Name, size and time of each."""
    states = {path.name: path.stat() for path in sorted(folder.iterdir()) if path.is_file()}
    return [[name, state.st_size, state.st_mtime_ns] for name, state in states.items()]


def _folder(arguments: Mapping[str, Any]) -> Path | None:
    """Where the weights of a model lie on this machine."""
    from huggingface_hub import try_to_load_from_cache

    name, inner = str(arguments["pretrained"]), str(arguments.get("subfolder") or "")
    root = Path(MODELS.get(name)()) if name in MODELS else Path(name)
    if (root / inner / "config.json").is_file():
        return root / inner
    file = "/".join(filter(None, (inner, "config.json")))
    try:
        found = try_to_load_from_cache(name, file, arguments.get("cache_dir"), arguments.get("revision"))
    except ValueError:  # no id of the Hub
        return None
    return Path(found).parent if isinstance(found, str) else None
