"""Explanations that were made before, from a folder: ours, or in the reference's layout.

Ours is `explanations.jsonl`, a line per explanation, the last one of a latent holding. The reference's is one
file per latent with a JSON string: `<hookpoint>/<latent>.txt`, `<hookpoint>_latent<latent>.txt`, or
`<latent>.txt` where the folder has no folders of hookpoints. Nothing outside the folder is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from saesteer.errors import CorruptFile, InputError, SaesteerError
from saesteer.examples import Explanation, Failure, LatentId, LatentRecord
from saesteer.explainers.windows import one_line
from saesteer.runs import Journal, contained, digest, plain, read_json, sha256_file

OURS: Final = "explanations.jsonl"
_LARGEST: Final = 65_536


def row_of(explanation: Explanation) -> dict[str, Any]:
    """A line of `explanations.jsonl`."""
    found: dict[str, Any] = plain(explanation)
    return found


@dataclass(frozen=True)
class FromFolder:
    """Reads a latent's file when it is asked for."""

    folder: str | Path
    hookpoint: str | None = None
    """The name of the SAE in the folder, where it is another than the cache's."""
    name: str = field(default="folder", init=False)

    def __post_init__(self) -> None:
        if not Path(self.folder).is_dir():
            raise InputError(f"there is no folder {self.folder}; give one with explanations")

    async def explain(self, record: LatentRecord) -> Explanation:
        """A failure "missing" where there is none, "unparsed" where its file is no explanation."""
        id = record.id._replace(sae=self.hookpoint or record.id.sae)
        try:
            found = self._find(id)
        except (SaesteerError, OSError) as error:
            return Explanation(record.id, self.name, None, Failure("unparsed", str(error)))
        if found is None:
            said = f"{self.folder} has no explanation of {id}; check its name there (hookpoint)"
            return Explanation(record.id, self.name, None, Failure("missing", said))
        text, place = found
        return Explanation(record.id, self.name, text, details={"from": place})

    def fingerprint(self) -> str:
        """Of every file in the folder that may hold an explanation."""
        root = Path(self.folder)
        files = [path for ending in ("jsonl", "txt") for path in root.rglob(f"*.{ending}") if path.is_file()]
        kept = {path.relative_to(root).as_posix(): sha256_file(path) for path in sorted(files)}
        return digest({"explainer": self.name, "hookpoint": self.hookpoint, "files": kept})

    def _find(self, id: LatentId) -> tuple[str, str] | None:
        """The text and the file that has it."""
        if id in self._rows:
            return self._rows[id], OURS
        places = [f"{id.sae}/{id.latent}.txt", f"{id.sae}_latent{id.latent}.txt"]
        for place in [*places, f"{id.latent}.txt"] if self._flat else places:
            path = contained(self.folder, place)
            if path.is_file():
                return _text(path), place
        return None

    @cached_property
    def _rows(self) -> Mapping[LatentId, str]:
        """Of `explanations.jsonl`, where there is one."""
        path = contained(self.folder, OURS)
        found: dict[LatentId, str] = {}
        for number, row in enumerate(Journal(path), start=1):
            try:
                sae, latent = row["latent"]
                id, text = LatentId(str(sae), int(latent)), row["text"]
            except (KeyError, TypeError, ValueError) as error:
                raise CorruptFile(f"{path} line {number} is no explanation; remove that line") from error
            if isinstance(text, str) and text.strip():
                found[id] = text
        return found

    @cached_property
    def _flat(self) -> bool:
        """Whether the folder is one hookpoint's, so that `<latent>.txt` can be no other's."""
        return next(Path(self.folder).glob("*/*.txt"), None) is None


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        raise CorruptFile(f"{path} has more than {_LARGEST} bytes; an explanation is a sentence")
    value = read_json(path)
    text = one_line(" ".join(value.split())) if isinstance(value, str) else ""
    if not text:
        raise CorruptFile(f"{path} holds no JSON string with a text; write one")
    return text
