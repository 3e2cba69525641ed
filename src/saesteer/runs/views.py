"""How results show their rows: in a notebook, as a data frame. Knows plain cells, not what they mean."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saesteer.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd


def html_table(title: str, cells: Sequence[Mapping[str, str]], notes: Sequence[str] = ()) -> str:
    """A table of rows with equal keys, everything escaped, notes below."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in (cells[0] if cells else ()))
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(each)}</td>" for each in row.values()) + "</tr>" for row in cells
    )
    below = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return f"<table><caption>{html.escape(title)}</caption><tr>{head}</tr>{body}</table>{below}"


def data_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row per mapping; MissingExtra without pandas."""
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtra.of("pandas", "pandas") from error
    return pd.DataFrame([dict(row) for row in rows])
