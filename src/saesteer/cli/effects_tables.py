"""What the parts of `saesteer effects` print: lines and tables of figures. Knows figures, no file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table
    from torch import Tensor

    from saesteer.effects import Accuracy, Approximator
    from saesteer.effects.strongest import BiasDiagnostics, LatentEffect
    from saesteer.effects.vectors import Measured


def effect_lines(
    found: tuple[LatentEffect, ...], effects: Approximator | None = None, measured: Measured | None = None
) -> list[dict[str, Any]]:
    """Lines of a table; R^2 and what was measured where they are known."""
    lines = []
    for each in found:
        line: dict[str, Any] = {"latent": each.latent, "predicted": each.effect}
        if measured is not None:
            line["measured"] = float(measured.effects[each.latent])
        if effects is not None and effects.r2 is not None:
            line["r2"] = float(effects.r2[each.latent])
        lines.append(line)
    return lines


def effect_table(lines: list[dict[str, Any]]) -> Table:
    """A line per latent."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in lines[0]:
        table.add_column(name, justify="right")
    for line in lines:
        cells = [str(each) if isinstance(each, int) else _number(each) for each in line.values()]
        table.add_row(*map(Text, cells))
    return table


def kind_table(found: tuple[Accuracy, ...]) -> Table:
    """A line per kind of vector, all of them first."""
    from rich.table import Table
    from rich.text import Text

    from saesteer.cli.words import one_line

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    names = ("vectors", "latents_that_vary", "pooled_r2", "median_r2", "vector_correlation")
    heads = ("kind", "vectors", "vary", "pooled R²", "median R²", "correlation")
    for head in heads:
        table.add_column(head, justify="left" if head == "kind" else "right")
    for each in found:
        told = each.summary
        cells = [f"{told[name]:,}" if isinstance(told[name], int) else _number(told[name]) for name in names]
        table.add_row(Text(one_line(each.kind)), *map(Text, cells))
    return table


def bias_table(found: BiasDiagnostics) -> Table:
    """A line per figure, beside that of random directions."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for head in ("bias direction", f"{found.directions:,} random ones", "their deviation"):
        table.add_column(head, justify="right")
    along = (found.along_bias, found.random_mean, found.random_deviation)
    table.add_row("effects along b", *map(_number, along))
    table.add_row("length of all effects", *map(_number, (found.size, found.random_size, None)))
    return table


def fit_lines(found: Approximator) -> list[str]:
    """How many vectors, which lambda, how good."""
    vectors, test = found.meta["vectors"], found.meta["test"]
    lines = [f"{vectors['fitted']:,} vectors fitted, {vectors['test']:,} kept for R²"]
    if found.ridge is not None:
        edge = ", at the edge of what was tried" if found.meta["ridge_at_the_edge"] else ""
        lines.append(f"lambda {found.ridge:.3g}{edge}")
    if test is not None and test["pooled_r2"] is not None:
        lines.append(
            f"R² on the kept vectors: {test['pooled_r2']:.3f} pooled, {test['median_r2']:.3f} the median of "
            f"{test['latents_that_vary']:,} of {test['latents']:,} latents that vary there, above 0 for "
            f"{test['share_above_0']:.0%}"
        )
    return lines


def correlation(predicted: Tensor, measured: Tensor) -> float:
    """Pearson's, over latents."""
    import torch

    return float(torch.corrcoef(torch.stack([predicted, measured.float()]))[0, 1])


def measured_line(predicted: Tensor, measured: Measured | None, looked: bool) -> str:
    """Whether the vector was measured, and how well it was predicted; `looked`: a run was there."""
    if measured is None:
        return "Not measured: no vector of the run points the same way." if looked else "Not measured."
    told = correlation(predicted, measured.effects)
    return f"Measured as vector {measured.line} (cosine {measured.cosine:.4f}): correlation {told:.3f}."


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.3g}"
