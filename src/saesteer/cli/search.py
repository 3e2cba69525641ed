"""`saesteer search`: latents, signs and strengths chosen together, with a judge; ends with a spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saesteer.cli import options
from saesteer.cli.words import one_line
from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.calibration import Found

_SHOWN: Final = 6  # candidates of each round


def search(
    concept: Annotated[str, typer.Argument(help="A concept: world/wedding, or a .yaml or .json file.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the best spec: .yaml or .json.")
    ] = None,
    judge: Annotated[str, typer.Option(help="oracle, or another registered judge.")] = "oracle",
    candidates: Annotated[int, typer.Option(min=1, help="How many to begin with.")] = 200,
    coherence: Annotated[
        float, typer.Option(min=0, max=1, callback=options.finite, help="What the best must keep.")
    ] = 0.8,
    ops: Annotated[str, typer.Option(help="With commas: add, set_latents.")] = "add",
    spec: Annotated[
        list[Path] | None, typer.Option(help="Specs to try beside the latents; may be given again.")
    ] = None,
    openings: Annotated[
        bool,
        typer.Option(
            "--openings",
            help="Directions at the first places of a text too: which, after which block, up to where.",
        ),
    ] = False,
    model: options.Model = options.MODEL,
    sae: options.Sae = options.SAE,
    at: options.At = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Prompts from a file: .txt (one per line), .jsonl, .csv.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Texts per prompt and candidate, first round.")] = 1,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Tokens per text.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="The luck; the same for equal calls.")] = 0,
    folder: Annotated[
        Path | None, typer.Option(help="Keep samples here; a killed run goes on where it stood.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write all rounds and samples to this folder.")] = None,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Choose latents, signs and strengths together, with a judge.

    Many candidates are written a few times, the best of them more often, round by round; on one half of the
    prompts. The winner is measured on the other half.

    Example: saesteer search world/wedding --sae world/layers.3 --candidates 200 --out best.yaml

    Example: saesteer search world/wedding --openings --candidates 72 --out best.yaml
    """
    from saesteer.cli.inputs import absolute, open_model, open_sae, read_lines
    from saesteer.cli.terminal import print_json, print_table, progress

    if out is not None:
        options.check_output(out)
        if out.suffix.lower() not in {".yaml", ".yml", ".json"}:
            raise InputError(f"a spec is a .yaml or .json file, got {out.name!r}; name it so")
    for each in (place for place in (save, folder) if place is not None):
        options.check_folder(each)
    asked = None if prompts is None else read_lines(prompts)
    from saesteer.steering import load_spec

    files = _named(spec or ())
    given = {name: load_spec(file) for name, file in files.items()}
    with progress() as bar:
        bar.report(f"loading {model} and {sae}", 0, None)
        lm, read = open_model(model, device, dtype), open_sae(sae, device)
        from saesteer.calibration import search as searched

        bar.report("ranking latents and finding their strengths", 0, None)
        found = searched(
            lm,
            concept,
            read,
            judge,
            specs=given,
            count=candidates,
            coherence=coherence,
            at=at,
            openings=openings,
            ops=tuple(each.strip() for each in ops.split(",") if each.strip()),
            prompts=asked,
            n=n,
            source=absolute(sae),
            max_new_tokens=max_new_tokens,
            seed=seed,
            folder=folder,
            progress=bar.report,
        )
    wrote = out if out is not None and found.spec is not None else None
    if found.spec is not None and wrote is not None:
        found.spec.save(wrote)
    if save is not None:
        found.save(save)
    if json:
        trials = [asdict(each) for each in found.trials]
        print_json({"summary": found.summary, "trials": trials, "outcome": found.outcome, "spec": wrote})
        return
    print_table(*page(found))
    if wrote is not None:
        print_table(f"spec: {wrote}", f"Next: saesteer calibrate {wrote} --concept {concept} --judge {judge}")


def _named(files: Sequence[Path]) -> dict[str, Path]:
    """By their names, which tell the candidates apart."""
    found: dict[str, Path] = {}
    for each in files:
        if each.stem in found:
            raise InputError(f"two specs are called {each.stem!r}, {found[each.stem]} and {each}; rename one")
        found[each.stem] = each
    return found


def page(found: Found) -> list[Any]:
    """The winner, and the best of each round; 80 columns."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from saesteer.calibration.found import cells
    from saesteer.evaluation.figures import shown as told_of

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    shown = [each for each in found.trials if _place(found, each) < _SHOWN]
    for name in cells(found.trials[0]):
        table.add_column(name, justify="left" if name == "candidate" else "right", no_wrap=True)
    for each in shown:
        table.add_row(*(Text(one_line(cell)) for cell in cells(each).values()))
    parts: list[Any] = [Text(one_line(found.reason), style="bold"), Text(), table, Text()]
    if found.outcome is not None:
        tested, lift = found.outcome.figures, found.outcome.lift
        told = (
            f"other half of the prompts: behaviour {tested.behaviour.estimate:.2f} "
            f"[{tested.behaviour.low:.2f}, {tested.behaviour.high:.2f}], coherence "
            f"{told_of(tested.coherence)}, {lift.estimate:+.2f} [{lift.low:+.2f}, {lift.high:+.2f}] "
            "over the plain model"
        )
        parts.append(Padding(Text(told), (0, 0, 0, 2)))
    return parts


def _place(found: Found, trial: Any) -> int:
    """Among those of its round."""
    return [each for each in found.trials if each.round == trial.round].index(trial)
