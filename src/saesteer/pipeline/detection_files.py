"""The files of a detection, written text by text: texts.jsonl and tokens.parquet, or both as CSV.

Knows detections and formats. Each file appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final

from saesteer.concepts import Detection
from saesteer.concepts.truth import grade_of, truth_of
from saesteer.runs import atomic, plain
from saesteer.runs.cells import CSVRows

TEXT_COLUMNS: Final = (
    "number", "id", "text", "label", "positive", "grade", "score", "found", "tokens",
    "strongest", "strongest_position",
)  # fmt: skip
TOKEN_COLUMNS: Final = ("number", "position", "token_id", "token", "score")
_GROUP: Final = 65_536  # rows of a Parquet row group
Write = Callable[[Detection], None]
Rows = list[dict[str, Any]]
Sink = Callable[[Rows], None]


def text_row(
    number: int, each: Detection, positive: Collection[str] = (), grade: str = "grade"
) -> dict[str, Any]:
    """A text as the tables hold it; `number` from 1."""
    peak = peak_of(each)
    return {
        "number": number,
        "id": each.document.id,
        "text": each.document.text,
        "label": each.document.label,
        "positive": truth_of(each.document, positive),
        "grade": grade_of(each.document, grade),
        "score": each.score,
        "found": each.found,
        "tokens": len(each.tokens),
        "strongest": piece_at(each, peak),
        "strongest_position": peak,
    }


def peak_of(each: Detection) -> int:
    """The first of its strongest tokens, from 0."""
    counted = [i for i, score in enumerate(each.scores) if score is not None]
    return max(counted, key=lambda i: (each.scores[i], -i))


def piece_at(each: Detection, place: int) -> str:
    """The text of a token; the whole letter for a part of one."""
    while place and not each.tokens[place]:
        place -= 1
    return each.tokens[place]


@contextmanager
def written(
    folder: Path | None, as_csv: bool, positive: Collection[str] = (), grade: str = "grade"
) -> Iterator[tuple[Write, tuple[Path, ...]]]:
    """What takes the detections one by one, and the files that are there when the block has ended well."""
    if folder is None:
        yield lambda each: None, ()
        return
    files = (
        folder / ("texts.csv" if as_csv else "texts.jsonl"),
        folder / f"tokens.{'csv' if as_csv else 'parquet'}",
    )
    with ExitStack() as stack:
        paths = [stack.enter_context(atomic(each)) for each in files]
        texts = stack.enter_context(open(paths[0], "w", encoding="utf-8", newline=""))
        if as_csv:
            tokens = stack.enter_context(open(paths[1], "w", encoding="utf-8", newline=""))
            sinks: tuple[Sink, Sink] = (
                CSVRows(texts, TEXT_COLUMNS).write,
                CSVRows(tokens, TOKEN_COLUMNS).write,
            )
        else:
            sinks = (_jsonl(texts), _parquet(stack, paths[1]))
        number = 0

        def write(each: Detection) -> None:
            nonlocal number
            number += 1
            sinks[0]([text_row(number, each, positive, grade)])
            sinks[1](_token_rows(number, each))

        yield write, files


def _token_rows(number: int, each: Detection) -> list[dict[str, Any]]:
    rows = zip(each.ids, each.tokens, each.scores, strict=True)
    return [
        dict(zip(TOKEN_COLUMNS, (number, position, *row), strict=True)) for position, row in enumerate(rows)
    ]


def _jsonl(file: IO[str]) -> Sink:
    def write(rows: Rows) -> None:
        file.writelines(json.dumps(plain(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows)

    return write


def _parquet(stack: ExitStack, path: Path) -> Sink:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    kinds = (pa.int64(), pa.int64(), pa.int64(), pa.string(), pa.float64())
    schema = pa.schema(list(zip(TOKEN_COLUMNS, kinds, strict=True)))
    writer = stack.enter_context(parquet.ParquetWriter(path, schema))
    held: Rows = []

    def flush() -> None:
        writer.write_table(pa.Table.from_pylist(held, schema))
        held.clear()

    def write(rows: Rows) -> None:
        held.extend(rows)
        if len(held) >= _GROUP:
            flush()

    stack.callback(flush)
    return write
