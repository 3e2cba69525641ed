"""What went into a finished stage and what came out: hashes, config, seed, versions. Knows no meaning."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from saesteer import __version__
from saesteer.errors import CorruptFile
from saesteer.runs.checksums import digest, plain, sha256_file
from saesteer.runs.paths import contained
from saesteer.runs.reading import read_json
from saesteer.runs.writing import TEMPORARY, write_json

NAME = "manifest.json"
_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "pyarrow")


@dataclass(frozen=True)
class Manifest:
    """A finished stage in one record."""

    stage: str
    revision: int
    """Raised by whoever changes what the stage computes, so that older results are not reused."""
    inputs: dict[str, str]
    """Name -> hash or fingerprint of what went in."""
    config: Any
    seed: int | None
    versions: dict[str, str]
    """Recorded, not part of the key."""
    outputs: dict[str, str]
    """File, relative to the folder -> SHA-256."""
    finished: str
    """When, UTC."""

    @property
    def key(self) -> str:
        """Equal for stages that must give equal results."""
        return request_key(self.stage, self.revision, self.inputs, self.config, self.seed)

    @classmethod
    def of(
        cls, folder: Path, stage: str, revision: int, inputs: Mapping[str, str], config: Any, seed: int | None
    ) -> Manifest:
        """The manifest of what now lies in `folder`."""
        files = sorted(each for each in folder.rglob("*") if each.is_file() and each != folder / NAME)
        outputs = {each.relative_to(folder).as_posix(): sha256_file(each) for each in files}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(stage, revision, dict(inputs), plain(config), seed, versions(), outputs, now)

    @classmethod
    def load(cls, folder: str | Path) -> Manifest:
        """The manifest of a finished stage."""
        path = Path(folder) / NAME
        record = read_json(path)
        if not isinstance(record, dict) or set(record) != {each.name for each in fields(cls)}:
            raise CorruptFile(f"{path} is not a manifest of this version; delete its folder to make it anew")
        return cls(**record)

    def save(self, folder: Path) -> None:
        """Write it into `folder`."""
        write_json(folder / NAME, self)

    def check(self, folder: str | Path) -> None:
        """CorruptFile unless every output is there and unchanged."""
        for name, expected in self.outputs.items():
            path = contained(folder, name)
            if not path.is_file():
                raise CorruptFile(f"{path} is missing; delete its folder to make it anew")
            if sha256_file(path) != expected:
                raise CorruptFile(f"{path} was changed since; delete its folder to make it anew")


def request_key(stage: str, revision: int, inputs: Mapping[str, str], config: Any, seed: int | None) -> str:
    """The hash of everything that decides a stage's result."""
    request = {"stage": stage, "revision": revision, "inputs": inputs, "config": config, "seed": seed}
    return digest(request)


def versions() -> dict[str, str]:
    """The versions of Python, saesteer and the packages that decide numbers, without importing them."""
    found = {"python": platform.python_version(), "saesteer": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def sweep_temporaries(folder: Path) -> None:
    """Delete what a killed process never finished writing."""
    for each in folder.rglob(f".*{TEMPORARY}"):
        each.unlink(missing_ok=True)
