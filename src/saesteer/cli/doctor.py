"""`saesteer doctor`: do hooks, positions and generation keep their promises here, on this model?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from saesteer.cli import options
from saesteer.cli.failures import FAILED
from saesteer.cli.words import one_line

if TYPE_CHECKING:
    from rich.table import Table

    from saesteer.model.doctor import Check


def doctor(
    model: options.Model = options.MODEL,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Check a model here: inert hooks change nothing, and more.

    The exit code is 1 where a check fails.

    Example: saesteer doctor --model world
    """
    from saesteer.cli.inputs import open_model
    from saesteer.cli.terminal import print_json, print_table, progress

    with progress(2) as bar:
        bar.step(f"loading {model}")
        lm = open_model(model, device, dtype)
        bar.step("examining")
        from saesteer.model.doctor import iterate

        checks = list(iterate(lm))
    healthy = all(each.ok for each in checks)
    if json:
        print_json({"model": model, "ok": healthy, "checks": checks})
    else:
        print_table(table(checks), "All is well." if healthy else "Something is wrong; see above.")
    if not healthy:
        raise typer.Exit(FAILED)


def table(checks: list[Check]) -> Table:
    """One line per check."""
    from rich.table import Table
    from rich.text import Text

    found = Table(box=None, show_header=False, pad_edge=False)
    for each in checks:
        sign = Text("ok", style="green") if each.ok else Text("FAILED", style="bold red")
        found.add_row(sign, Text(each.name), Text(one_line(each.detail)))
    return found
