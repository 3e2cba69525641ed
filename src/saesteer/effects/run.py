"""A finished run of measurements as it lies in its folder. Knows files; no model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor

from saesteer.effects.chunk import Chunk
from saesteer.effects.shards import Shard
from saesteer.errors import CorruptFile, InputError
from saesteer.runs import Manifest, contained, read_json, read_parquet, sha256_bytes
from saesteer.runs.views import html_table

STAGE: Final = "effects"
INDEX: Final = "index.json"
LINES: Final = "lines.parquet"
BASELINE: Final = "baseline.safetensors"


@dataclass(frozen=True)
class Line:
    """One vector of a run, without its numbers."""

    number: int
    """Its place in the run, from 0."""
    kind: str
    """decoder, mixture, random or given."""
    origin: str
    """Which latents, draw or line of a file."""
    strength: float
    """Raw: how long the vector was made."""
    loss: float
    """Mean loss on clean text there, nats per token."""
    outcome: str
    """crossed; never, flat: the target was not reached and the strength is the limit; fixed: it was given;
    broken: the model overflowed, so the line is in no chunk."""


@dataclass(frozen=True, eq=False)
class EffectsRun:
    """What vectors do to the latents of an SAE."""

    folder: Path
    meta: Mapping[str, Any]
    """steered_at, read_at, model, sae, settings, seed, clean_loss, target_loss, norm, from_pass, versions."""
    baseline: Float[Tensor, " d_sae"]
    """Mean latents of the plain model's own rollouts."""
    lines: tuple[Line, ...]
    files: tuple[str, ...]
    """Shards, in the order of the lines."""
    sha256: Mapping[str, str]

    @classmethod
    def open(cls, folder: str | Path) -> EffectsRun:
        """A run by its folder; shards are checked when they are read."""
        folder = Path(folder)
        manifest = Manifest.load(folder)
        if manifest.stage != STAGE:
            raise InputError(f"{folder} holds {manifest.stage}, not effects; check the path")
        for name in (INDEX, LINES):  # small; shards are checked when they are read
            _read(folder, name, manifest.outputs)
        index, rows = read_json(folder / INDEX), read_parquet(contained(folder, LINES))
        try:
            baseline = safetensors.torch.load(_read(folder, BASELINE, manifest.outputs))["baseline"]
            lines = tuple(Line(**row) for row in rows)
            meta = {**index["meta"], "seed": manifest.seed, "versions": manifest.versions}
            return cls(folder, meta, baseline, lines, tuple(index["shards"]), dict(manifest.outputs))
        except (KeyError, TypeError, SafetensorError) as error:
            raise CorruptFile(f"{folder} is no whole run of effects ({error!r:.80}); make it anew") from error

    def __len__(self) -> int:
        return len(self.lines)

    def shard(self, number: int) -> Shard:
        """One file, broken lines included; CorruptFile where it is not what was written."""
        return Shard.from_bytes(_read(self.folder, self.files[number], self.sha256))

    def chunks(self) -> Iterator[Chunk]:
        """Vectors with their effects, a shard at a time, in the order of `lines` without the broken ones."""
        for number in range(len(self.files)):
            found = self.shard(number)
            whole = torch.tensor([each != "broken" for each in found.outcomes])
            if bool(whole.any()):
                yield Chunk(found.vectors[whole], found.effects[whole])

    @property
    def whole(self) -> tuple[Line, ...]:
        """The lines that the chunks have, in their order."""
        return tuple(each for each in self.lines if each.outcome != "broken")

    @property
    def scales(self) -> Float[Tensor, " n"]:
        """The strength of each line."""
        return torch.tensor([each.strength for each in self.lines])

    @property
    def losses(self) -> Float[Tensor, " n"]:
        """The loss of each line."""
        return torch.tensor([each.loss for each in self.lines])

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each line."""
        return tuple(each.kind for each in self.lines)

    @property
    def summary(self) -> dict[str, Any]:
        """Counts by kind and outcome, and the middle strength."""
        middle = float(self.scales.median()) if self.lines else None
        return {
            "vectors": len(self.lines),
            **{f"kind_{each}": self.kinds.count(each) for each in sorted(set(self.kinds))},
            **self.outcomes(),
            "median_strength": middle,
        }

    def outcomes(self) -> dict[str, int]:
        """How many lines came out in each way."""
        found = [each.outcome for each in self.lines]
        return {each: found.count(each) for each in sorted(set(found))}

    def _repr_html_(self) -> str:
        rows = [{"what": str(name), "value": str(each)} for name, each in self.summary.items()]
        return html_table(f"effects in {self.folder.name}", rows)


def _read(folder: Path, name: str, sha256: Mapping[str, str]) -> bytes:
    path = contained(folder, name)
    if not path.is_file():
        raise CorruptFile(f"{path} is missing; delete the folder to make it anew")
    data = path.read_bytes()
    if sha256_bytes(data) != sha256.get(name):
        raise CorruptFile(f"{path} was changed since it was written; delete the folder to make it anew")
    return data
