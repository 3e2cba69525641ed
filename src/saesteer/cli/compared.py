"""`saesteer report RUN RUN2 ...`: several runs on one page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saesteer.cli import options
from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.report import Report

PAGE = "comparison.html"


def compare_runs(folders: Sequence[Path], out: Path | None, json: bool) -> None:
    """Write the page, and say where it is."""
    from saesteer.cli.terminal import print_json, print_table
    from saesteer.report import write_comparison

    page = out or Path(PAGE)
    options.check_output(page, ".html")
    names = [str(each) for each in folders]
    if len({each.resolve() for each in folders}) < len(folders):
        raise InputError(
            f"a run is compared with others, got one of {', '.join(names)} twice; name each once"
        )
    runs = {name: report_of(each) for name, each in zip(names, folders, strict=True)}
    start = page.resolve().parent
    homes = {
        name: Path(os.path.relpath(each.resolve(), start)).as_posix()
        for name, each in zip(names, folders, strict=True)
    }
    write_comparison(runs, page, homes)
    if json:
        print_json({"page": page, "runs": names})
    else:
        print_table(f"{len(runs)} runs compared\n", f"page: {page}")


def report_of(folder: Path) -> Report:
    """The report of a finished run, from its folder."""
    from saesteer.pipeline import experiment

    return experiment.report_of(experiment.load_run(folder))
