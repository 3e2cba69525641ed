"""WikiText (Merity et al. 2016, arXiv 1609.07843): articles of Wikipedia, one paragraph a line, unlabelled.

An article begins with a heading of its own level, ` = Title = `, after an empty line; ` = = Section = = ` is
part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from saesteer.errors import InputError
from saesteer.text.document import Document, check_words
from saesteer.text.labelled.reader import LabelledReader
from saesteer.text.tables import HUB, TABLES, read_lines, read_records

_TITLE = re.compile(r" ?= (?!=)(\S.*?)(?<!=) = ?")


@dataclass(frozen=True)
class WikiText(LabelledReader):
    """One document per article, headings and all; meta["title"] is its title, None before the first one."""

    def read(self, source: str) -> Iterator[Document]:
        """Of the raw text file, or of a table or hf:NAME:SPLIT:CONFIG with one line per row."""
        title: str | None = None
        start, lines, before = "", list[str](), ""
        for place, line in _lines(source):
            heading = _TITLE.fullmatch(line.rstrip("\r\n")) if not before.strip() else None
            if heading:
                yield from _article(start, title, lines)
                title, start, lines = heading[1], place, []
            start, before = start or place, line
            lines.append(line)
        yield from _article(start, title, lines)


def _article(start: str, title: str | None, lines: list[str]) -> Iterator[Document]:
    text = "".join(lines).strip()
    if text:
        yield Document(check_words(text, "the article", start), start, None, {"title": title})


def _lines(source: str) -> Iterator[tuple[str, str]]:
    """Where each line stands, and the line with its end."""
    if source.startswith(HUB) or Path(source).suffix.lower() in TABLES:
        for record in read_records(source):
            line = record.get("text")
            if not isinstance(line, str):
                raise InputError(f"{record.where}: 'text' holds {type(line).__name__}, not text; mend it")
            yield record.id, line if line.endswith("\n") else f"{line}\n"
        return
    if not Path(source).is_file():
        raise InputError(f"there is no file {source}; check the path")
    for number, line in read_lines(Path(source)):
        yield f"{source}:{number}", line
