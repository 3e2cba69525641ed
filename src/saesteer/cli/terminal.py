"""What commands print with: tables on stdout, progress on stderr, JSON for machines. Knows rich, no verb."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from saesteer.cli.words import one_line, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress

T = TypeVar("T")


def console() -> Console:
    """Stdout; plain strings carry no markup, no emoji and no guessed colours."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def print_table(*parts: RenderableType) -> None:
    """Renderables one below the other; a plain string is one line, however long."""
    out = console()
    for part in parts:
        out.print(visible(part) if isinstance(part, str) else part, soft_wrap=isinstance(part, str))


def print_json(value: Any) -> None:
    """One JSON value; ASCII, so that no text in it can speak to a terminal."""
    print(json.dumps(jsonable(value), ensure_ascii=True, allow_nan=False, indent=2))


def jsonable(value: Any) -> Any:
    """`value` as JSON holds it: records become objects, a number that is infinite or none becomes null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: jsonable(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


class Steps:
    """A progress bar over a command's steps; silent where stderr is no terminal."""

    def __init__(self, bar: Progress, total: int | None) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total)
        self._done = -1

    def step(self, label: str) -> None:
        """The next step begins."""
        self._done += 1
        self.report(label, self._done, None)

    def report(self, label: str, done: int, total: int | None) -> None:
        """So much of `total` is done; None leaves the total as it is."""
        self._bar.update(self._task, description=one_line(label), completed=done, total=total)

    def track(self, label: str, values: Iterable[T], total: int) -> Iterator[T]:
        """The values, counted on a bar of their own while they are used."""
        task = self._bar.add_task(label, total=total)
        for value in values:
            yield value
            self._bar.advance(task)
        self._bar.remove_task(task)


@contextmanager
def progress(total: int | None = None) -> Iterator[Steps]:
    """A bar on stderr, gone when the block ends."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    err = Console(stderr=True, markup=False, emoji=False, highlight=False)
    with Progress(*columns, console=err, transient=True, disable=not sys.stderr.isatty()) as bar:
        yield Steps(bar, total)
