"""Shakespearizing-Modern-English (Jhamtani et al. 2017; data: Xu et al. 2012): lines of plays, two ways.

A folder holds train, valid and test, each as two files of equal length, line for line: NAME.original.nltktok
and NAME.modern.nltktok.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

from saesteer.errors import InputError
from saesteer.text.document import NO, YES, Document
from saesteer.text.labelled.reader import LabelledReader, check_choice
from saesteer.text.tables import HUB, read_lines

_SPLITS: Final = ("train", "valid", "test")
_SIDES: Final = (("original", YES), ("modern", NO))


@dataclass(frozen=True)
class Shakespeare(LabelledReader):
    """Shakespeare's line 1, the modern one 0, one after the other; meta["pair"] is the same for both.

    An empty line is left out, and so is a pair whose lines are equal, since it tells nothing.
    """

    split: str = "all"
    """all that the folder has, train, valid or test."""

    def __post_init__(self) -> None:
        check_choice("split", self.split, ("all", *_SPLITS))

    def read(self, source: str) -> Iterator[Document]:
        """The documents of a folder."""
        if source.startswith(HUB):
            raise InputError(f"these are files, line for line, got {source}; give the folder that holds them")
        folder = Path(source)
        wanted = _SPLITS if self.split == "all" else (self.split,)
        found = [each for each in wanted if _file(folder, each, "original").is_file()]
        if not found:
            raise InputError(
                f"there is no {_file(folder, wanted[0], 'original')}; give the folder with those files"
            )
        for each in found:
            yield from _pairs(folder, each)


def _pairs(folder: Path, split: str) -> Iterator[Document]:
    files = [_file(folder, split, side) for side, _ in _SIDES]
    if not files[1].is_file():
        raise InputError(f"there is no file {files[1]} beside {files[0].name}; the two go together")
    for number, lines in enumerate(zip_longest(*map(read_lines, files)), start=1):
        if None in lines:
            short = files[lines.index(None)]
            raise InputError(
                f"{short} ends before line {number} of its pair; the two have equally many lines"
            )
        texts = [line.strip() for _, line in lines]
        if texts[0] == texts[1]:
            continue
        for text, file, (side, label) in zip(texts, files, _SIDES, strict=True):
            if text:
                meta = {"pair": f"{split}:{number}", "side": side, "split": split}
                yield Document(text, f"{file}:{number}", label, meta)


def _file(folder: Path, split: str, side: str) -> Path:
    return folder / f"{split}.{side}.nltktok"
