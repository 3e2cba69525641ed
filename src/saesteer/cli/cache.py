"""`saesteer cache`: the latents of many tokens into a folder, from which examples and pages are read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saesteer.cli import options
from saesteer.cli.words import one_line
from saesteer.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from saesteer.cache import LatentCache, Progress
    from saesteer.cli.terminal import Steps
    from saesteer.model import LanguageModel
    from saesteer.saes import SAE

_OWN_TOKENS = 200_000  # of the world's stories, which have no end


def cache(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The cache is a folder of its own below this one.")
    ],
    model: Annotated[
        str | None, typer.Argument(help="The model: world, a Hugging Face folder or an id of its hub.")
    ] = None,
    sae: Annotated[
        list[str] | None,
        typer.Option(
            "--sae",
            help=f"{options.SOURCE} NAME=SAE gives it a name of yours. Repeatable.",
            show_default=False,
        ),
    ] = None,
    texts: Annotated[
        str | None,
        typer.Option(help="Texts: .txt, .jsonl, .csv, .parquet or hf:NAME; default for world: its stories."),
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="How many tokens to read at most; default: all.")
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", help="Where an SAE reads, if not at its own hookpoint: [NAME=]HOOKPOINT."),
    ] = None,
    context: Annotated[int, typer.Option(min=2, help="Tokens of the longest row.")] = 256,
    batch_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens that go through the model at once.")
    ] = 8192,
    run_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens that are held before they are written.")
    ] = 262_144,
    latents: Annotated[
        list[str] | None,
        typer.Option(help="Keep these only: [NAME=]0,7,100-199. Repeatable.", show_default="all"),
    ] = None,
    density: Annotated[
        str | None,
        typer.Option(
            help="Keep latents that are active on a share of the tokens from LOW to HIGH: 1e-5,0.1."
        ),
    ] = None,
    min_count: Annotated[int, typer.Option(min=0, help="And on so many tokens at least.")] = 0,
    dtype: Annotated[str, typer.Option(help="Of the values: auto, float16 or float32.")] = "auto",
    device: options.Device = None,
    model_dtype: Annotated[str, typer.Option(help="Of the model: float32, bfloat16 or float16.")] = "float32",
    importing: Annotated[
        Path | None,
        typer.Option(
            "--import", help="In place of a pass: a folder of sae-auto-interp (Delphi) with latents."
        ),
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option(help="With --import: the token ids [rows, ctx], .npy or .safetensors, if it has none."),
    ] = None,
    hookpoint: Annotated[
        list[str] | None, typer.Option(help="With --import: these of its folders only. Repeatable.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Write the latents of many tokens to a folder, latent by latent.

    One pass for all SAEs. Run again with the same options it goes on where it was stopped, or finds what is
    finished. With --import the entries come from a folder of sae-auto-interp (Delphi), and MODEL, which may
    be left out, gives the texts of its tokens.

    Example: saesteer cache world --sae world/layers.3 --tokens 200000 --out build/cache

    Example: saesteer cache ./lm --sae a=./sae-4k --sae b=./sae-16k --texts news.jsonl -o build/cache --json

    Example: saesteer cache ./lm --import delphi-results --ids tokens.npy --out build/cache
    """
    from saesteer.cli.cache_import import check_options, import_reference
    from saesteer.cli.inputs import open_model, open_sae
    from saesteer.cli.terminal import progress

    began = time.monotonic()
    passing = {"--sae": sae, "--texts": texts, "--tokens": tokens, "--at": at, "--latents": latents}
    passing |= {"--density": density}
    check_options(
        importing is not None,
        {"MODEL": model, "--sae": sae},
        {"--ids": ids, "--hookpoint": hookpoint} if importing is None else passing,
    )
    if importing is not None:
        options.check_folder(out)
        result = import_reference(importing, out, model, device, ids, hookpoint)
        _show(_record(result, None, time.monotonic() - began), "imported", json)
        return
    assert model is not None and sae is not None
    if texts is None and model != "world":
        raise InputError(
            f"there are no texts for the model {model!r}; give --texts FILE (.txt, .jsonl, .csv)"
        )
    shares = None if density is None else _shares(density)
    places = _places(at or [])
    wanted = [_named(each, "--latents") for each in latents or []]
    numbers = [(name, _numbers(said)) for name, said in wanted]
    options.check_folder(out)
    tokens = _OWN_TOKENS if tokens is None and texts is None else tokens
    with progress(tokens) as bar:
        bar.report(f"loading {model}", 0, tokens)
        lm = open_model(model, device, model_dtype)
        found = [(name, open_sae(source, device)) for name, source in (_named(each, "--sae") for each in sae)]
        from saesteer.cache import cache_latents

        saes, sites = _saes(lm, found, places)
        seen: list[Progress] = []
        result = cache_latents(
            out,
            lm,
            saes,
            texts,
            at=sites,
            context=context,
            batch_tokens=batch_tokens,
            run_tokens=run_tokens,
            latents=_wanted(numbers, saes) or None,
            density=shares,
            min_count=min_count,
            max_tokens=tokens,
            dtype=dtype,  # type: ignore[arg-type]
            progress=_reporter(bar, seen),
        )
    record = _record(result, seen[-1].rate if seen else None, time.monotonic() - began)
    _show(record, "found finished", json)


def _show(record: dict[str, Any], otherwise: str, json: bool) -> None:
    """`otherwise`: what was done, where nothing was read."""
    from saesteer.cli.terminal import print_json, print_table

    if json:
        print_json(record)
        return
    print_table(*_lines(record, otherwise))


def _named(said: str, option: str) -> tuple[str, str]:
    """NAME=VALUE; the name is empty where there is none."""
    name, equals, value = said.partition("=")
    if not equals or Path(said).exists():
        return "", said
    if not name or not value:
        raise InputError(f"{option} is VALUE or NAME=VALUE, got {said!r}")
    return name, value


def _places(said: list[str]) -> dict[str, str]:
    """SAE -> where it reads."""
    found: dict[str, str] = {}
    for name, place in (_named(each, "--at") for each in said):
        if name in found:
            raise InputError(f"--at {found[name]} and {place} are both for {name or 'the SAE'}; give one")
        found[name] = place
    return found


def _shares(said: str) -> tuple[float, float]:
    try:
        low, high = (float(each) for each in said.split(","))
    except ValueError as error:
        raise InputError(f"--density is LOW,HIGH, two shares from 0 to 1, got {said!r}") from error
    return low, high


def _numbers(said: str) -> list[range]:
    """Not one by one: a range may be wider than any SAE, and no memory holds it."""
    found = []
    for part in said.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(
                f"--latents are numbers and ranges with commas, such as 0,7,100-199, got {said!r}"
            )
        found.append(range(int(first), int(last or first) + 1))
        if not found[-1]:
            raise InputError(f"a range of --latents goes up, such as 100-199, got {part.strip()!r}")
    return found


def _wanted(numbers: list[tuple[str, list[range]]], saes: dict[str, SAE]) -> dict[str, Iterable[int]]:
    """Of each SAE all that was asked for: the option may stand several times for one."""
    found: dict[str, list[range]] = {}
    for name, ranges in numbers:
        found.setdefault(_of(name, saes, "--latents"), []).extend(ranges)
    return {name: chain.from_iterable(ranges) for name, ranges in found.items()}


def _saes(
    lm: LanguageModel, found: list[tuple[str, SAE]], at: dict[str, str]
) -> tuple[dict[str, SAE], dict[str, str]]:
    """SAEs and where some of them read, by their names: the hookpoint, where no other was given."""
    from saesteer.latents import hookpoint_of

    if len(found) == 1 and len(at) > 1:
        raise InputError(f"--at is given {len(at)} times for one SAE ({', '.join(at.values())}); give one")
    saes: dict[str, SAE] = {}
    sites: dict[str, str] = {}
    for name, each in found:
        site = at.get(name) or (at.get("") if len(found) == 1 else None)
        known = name or hookpoint_of(lm, each, site)
        if known in saes:
            raise InputError(f"two SAEs are called {known!r}; give names: --sae one=... --sae other=...")
        saes[known] = each
        if site is not None:
            sites[known] = site
    if unknown := sorted(set(at) - {""} - set(saes)) or (at.get("") and len(found) > 1 and ["all of them"]):
        raise InputError(
            f"--at is for {unknown[0]!r}, but the SAEs are {', '.join(saes)}; give NAME=HOOKPOINT"
        )
    return saes, sites


def _of(name: str, saes: dict[str, SAE], option: str) -> str:
    """The one SAE, where no name was given."""
    if name:
        return name
    if len(saes) > 1:
        raise InputError(f"there are several SAEs, so {option} is NAME=VALUE; names: {', '.join(saes)}")
    return next(iter(saes))


def _reporter(bar: Steps, seen: list[Progress]) -> Callable[[Progress], None]:
    def report(each: Progress) -> None:
        seen[:] = [each]
        left = "" if each.left is None else f", {_minutes(each.left)} left"
        said = f"{each.stage}: {each.rate:,.0f} tokens/s{left}, {each.bytes / 1e6:,.1f} MB written"
        bar.report(said, each.tokens, each.of)

    return report


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _record(result: LatentCache, rate: float | None, seconds: float) -> dict[str, Any]:
    folder = Path(result.about["folder"])
    return {
        "folder": folder,
        "tokens": len(result.tokens),
        "content_tokens": next(iter(result.tables.values())).statistics.tokens,
        "rows": len(result.tokens.documents),
        "documents": result.about["documents"],
        "bytes": sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()),
        "tokens_per_second": rate,
        "seconds": seconds,
        "saes": [_table_record(result, each) for each in result.tables],
    }


def _table_record(result: LatentCache, name: str) -> dict[str, Any]:
    from saesteer.cache import overview

    table, found = result[name], overview(result, name)
    return {
        "name": name,
        "hookpoint": table.hookpoint,
        "latents": found.latents,
        "kept": len(table.kept),
        "entries": int(table.indptr[-1]),
        "values": str(table.values.dtype),
        "l0": float(table.statistics.density.sum()),
        "alive": found.alive,
        "above_1_percent": found.above_1,
        "above_10_percent": found.above_10,
        "single_token": found.single_token,
    }


def _lines(record: dict[str, Any], otherwise: str) -> list[Any]:
    rate = record["tokens_per_second"]
    how = otherwise if rate is None else f"{rate:,.0f} tokens/s"
    size = f"{record['bytes'] / 1e6:,.1f} MB"
    head = f"{record['tokens']:,} tokens of {record['documents']:,} documents, {how}, {size}"
    return [head, "", _table(record["saes"]), "", f"cache: {record['folder']}"]


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("SAE", "latents", "alive", "> 1 %", "> 10 %", "one token", "L0", "entries", "values"):
        table.add_column(name, justify="left" if name == "SAE" else "right", no_wrap=True)
    for row in rows:
        named = ("alive", "above_1_percent", "above_10_percent", "single_token")
        shares = ("" if row[name] is None else f"{row[name]:.1%}" for name in named)
        cells = [f"{row['latents']:,}", *shares, f"{row['l0']:.1f}", f"{row['entries']:,}", row["values"]]
        table.add_row(Text(one_line(row["name"])), *map(Text, cells))
    return table
