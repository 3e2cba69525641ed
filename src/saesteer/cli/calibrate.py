"""`saesteer calibrate`: the strength that brings a concept out most within a budget, and its curve."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saesteer.cli import options
from saesteer.cli.words import one_line
from saesteer.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from saesteer.calibration import Calibration

_BAR: Final = 14  # letters of a behaviour of 1


def calibrate(
    spec: Annotated[Path, typer.Argument(help="The spec to calibrate, .yaml or .json.")],
    concept: Annotated[
        str, typer.Option("--concept", help="What is to show: world/wedding, or a .yaml or .json file.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the spec at the strength found: .yaml or .json.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="oracle, or another registered judge; none: distance alone decides.")
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            help="coherence=0.8, kl=0.5, nats, added_perplexity or residual_norm; may be given again.",
            show_default=False,
        ),
    ] = None,
    model: options.Model = options.MODEL,
    prompts: Annotated[
        Path | None, typer.Option(help="Prompts from a file: .txt (one per line), .jsonl, .csv.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Texts per prompt and strength.")] = 6,
    rounds: Annotated[int, typer.Option(min=0, help="Nets of strengths after the first.")] = 2,
    negative: Annotated[
        bool, typer.Option("--negative", help="Try negative strengths; the concept is then lowered.")
    ] = False,
    goal: Annotated[
        str | None, typer.Option(help="raise or lower the concept, whatever the sign of the strengths.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens per text.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="The luck; the same for equal calls.")] = 0,
    folder: Annotated[
        Path | None, typer.Option(help="Keep samples here; a killed run goes on where it stood.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write curve, samples and spec to this folder.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the curve: .png or .svg.")] = None,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Find the strength that brings a concept out most within a budget.

    Strengths are chosen on one half of the prompts and reported on the other.

    Example: saesteer calibrate wedding.yaml --concept world/wedding --judge oracle --out calibrated.yaml

    Example: saesteer calibrate sea.yaml --concept world/sea --judge oracle --budget coherence=0.9 --negative

    Example: saesteer calibrate sea.yaml --concept world/sea --budget added_perplexity=0.1
    """
    from saesteer.cli.inputs import open_model, read_lines
    from saesteer.cli.terminal import print_json, print_table, progress

    for path in (each for each in (out, plot) if each is not None):
        options.check_output(path)
    for each in (place for place in (save, folder) if place is not None):
        options.check_folder(each)
    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"a plot is a .png or .svg file, got {plot.name!r}; name it so")
    limits = read_budget(budget or ())
    asked = None if prompts is None else read_lines(prompts)
    from saesteer.steering import load_spec
    from saesteer.steering.formats import format_of

    if out is not None:
        format_of(out)
    given = load_spec(spec)
    with progress() as bar:
        bar.report(f"loading {model}", 0, None)
        lm = open_model(model, device, dtype)
        from saesteer.calibration import NoStrengthWorks
        from saesteer.calibration import calibrate as calibrated

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoStrengthWorks)  # the verdict is printed
            found = calibrated(
                lm,
                given,
                concept,
                judge,
                limits,
                prompts=asked,
                n=n,
                rounds=rounds,
                sign=-1 if negative else 1,
                goal=goal,  # type: ignore[arg-type]
                max_new_tokens=max_new_tokens,
                seed=seed,
                folder=folder,
                progress=bar.report,
            )
    written = _write(found, out, save, plot)
    if json:
        print_json(_record(found) | written)
        return
    print_table(*page(found), *(f"{name}: {path}" for name, path in written.items() if path is not None))


def read_budget(given: Sequence[str]) -> dict[str, float] | None:
    """coherence=0.8 and the like; None where nothing is given."""
    found: dict[str, float] = {}
    for each in given:
        name, equals, value = each.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not equals or number != number:
            raise InputError(f"a budget is NAME=NUMBER, such as coherence=0.8, got {each!r}; mend it")
        if name in found:
            raise InputError(f"the budget of {name} is given twice; keep one")
        found[name.strip()] = number
    return found or None


def page(found: Calibration) -> list[Any]:
    """The answer, the curve, and what to doubt; 80 columns."""
    from rich.padding import Padding
    from rich.text import Text

    from saesteer.calibration.result import sentence
    from saesteer.evaluation.figures import shown

    parts: list[Any] = [Text(one_line(sentence(found)), style="bold"), Text(), _table(found)]
    lines = [f"verdict: {found.verdict.kind}"]
    if found.window is not None:
        lines.append(f"safe window: {found.window[0]:.3g} to {found.window[1]:.3g} {found.unit}")
    if found.outcome is not None:
        tested, lift = found.outcome.figures, found.outcome.lift
        lines.append(
            f"other half of the prompts: behaviour {tested.behaviour.estimate:.2f} "
            f"[{tested.behaviour.low:.2f}, {tested.behaviour.high:.2f}], coherence "
            f"{shown(tested.coherence)}, {lift.estimate:+.2f} [{lift.low:+.2f}, {lift.high:+.2f}] "
            "over the plain model"
        )
    lines += [f"note: {each}" for each in found.warnings]
    return [*parts, Text(), *(Padding(Text(one_line(each)), (0, 0, 0, 2)) for each in lines)]


def _table(found: Calibration) -> Table:
    """A line per strength; the bar is behaviour, the arrow the choice, the line before it the safe window."""
    from rich.table import Table
    from rich.text import Text

    from saesteer.evaluation.figures import shown

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("", "strength", "behav.", "coher.", "KL", "nats", "moved", "n", "behaviour", "breaks"):
        table.add_column(
            name, justify="left" if name in ("", "behaviour", "breaks") else "right", no_wrap=True
        )
    chosen = None if found.strength is None else found.strength.estimate
    for point in found.curve:
        figures = point.figures
        behaviour = None if figures is None else figures.behaviour.estimate
        cells = (
            "→" if point.strength == chosen else "│" if _inside(found, point.strength) else "",
            f"{point.strength:.3g}",
            "-" if behaviour is None else f"{behaviour:.2f}",
            "-" if figures is None else shown(figures.coherence),
            f"{point.kl.estimate:.2g}",
            f"{point.nats.estimate:.2g}",
            f"{point.moved:.2g}",
            "-" if figures is None else str(figures.samples),
            bar(behaviour or 0.0),
            ", ".join(point.broken) or ("no effect" if figures is not None and not point.effective else ""),
        )
        table.add_row(*map(Text, cells), style="bold" if point.strength == chosen else "")
    return table


def bar(value: float) -> str:
    """A bar in eighths of a letter."""
    eighths = max(round(8 * _BAR * value), int(value > 0))
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _inside(found: Calibration, strength: float) -> bool:
    return found.window is not None and found.window[0] <= strength <= found.window[1]


def _write(
    found: Calibration, out: Path | None, save: Path | None, plot: Path | None
) -> dict[str, Path | None]:
    """Each file that was asked for; no spec where no strength works."""
    spec = None
    if out is not None and found.verdict.works:
        spec = out
        found.spec.save(out)
    if save is not None:
        found.save(save)
    if plot is not None:
        from saesteer.report.dose import write_dose

        write_dose(found, plot)
    return {"spec": spec, "saved": save, "plot": plot}


def _record(found: Calibration) -> dict[str, Any]:
    return {
        "summary": found.summary,
        "verdict": found.verdict,
        "strength": found.strength,
        "window": found.window,
        "curve": [each.flat() for each in found.curve],
        "outcome": found.outcome,
        "provenance": found.provenance,
    }
