"""What one call of `generate` wrote and what was asked, in memory and as one file. Knows no model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from saesteer.errors import CorruptFile, InputError
from saesteer.runs import plain, write_parquet
from saesteer.runs.views import data_frame, html_table

if TYPE_CHECKING:
    import pandas as pd

Ended = Literal["stop", "length", "broken"]

_KEY = b"saesteer.generations"
_SHOWN = 20  # rows of the notebook's view


@dataclass(frozen=True)
class Generation:
    """One continuation."""

    request: int
    """Number of the prompt in the call."""
    sample: int
    prompt: str
    text: str
    """The continuation; prompt + text is the whole."""
    ids: tuple[int, ...]
    """Its tokens, the end token included where there was one."""
    ended: Ended = "length"
    """stop: at an end token; length: at max_new_tokens; broken: the logits were no numbers (overflow)."""


@dataclass(frozen=True)
class Generations:
    """All continuations of one call, by request and then sample."""

    rows: tuple[Generation, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The model and what was asked; not the steering that was on around the call."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))
        object.__setattr__(self, "provenance", plain(self.provenance))

    def __str__(self) -> str:
        return "\n".join(f"{row.prompt}{row.text}" for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Generation]:
        return iter(self.rows)

    @property
    def summary(self) -> dict[str, int]:
        """How many texts there are, and how many ended in each way."""
        ends = [row.ended for row in self.rows]
        return {"texts": len(ends), **{each: ends.count(each) for each in ("stop", "length", "broken")}}

    def save(self, path: str | Path) -> None:
        """One Parquet file: a row per text, the provenance in its metadata."""
        import pyarrow as pa

        kinds = {"request": pa.int64(), "sample": pa.int64(), "ids": pa.list_(pa.int64())}
        names = ("request", "sample", "prompt", "text", "ids", "ended")
        schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
        table = pa.Table.from_pylist([asdict(row) for row in self.rows], schema=schema)
        write_parquet(path, table.replace_schema_metadata({_KEY: json.dumps(self.provenance)}))

    @classmethod
    def load(cls, path: str | Path) -> Generations:
        """The texts that `save` wrote; InputError where there is no file, CorruptFile where it is another."""
        import pyarrow as pa
        import pyarrow.parquet as parquet

        if not Path(path).is_file():
            raise InputError(f"there is no file {path}; check the path")
        try:
            table = parquet.read_table(path, partitioning=None)
            provenance = json.loads((table.schema.metadata or {})[_KEY])
            rows = [Generation(**{**row, "ids": tuple(row["ids"])}) for row in table.to_pylist()]
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise CorruptFile(f"{path} holds no whole generations ({error!r:.80}); make it anew") from error
        return cls(tuple(rows), provenance)

    def to_pandas(self) -> pd.DataFrame:
        """A row per text."""
        return data_frame([asdict(row) for row in self.rows])

    def _repr_html_(self) -> str:
        cells = [{"prompt": row.prompt, "text": row.text, "ended": row.ended} for row in self.rows[:_SHOWN]]
        left = len(self.rows) - len(cells)
        return html_table(f"{len(self.rows)} texts", cells, [f"and {left} more"] if left else [])
