"""`saesteer report`: pages on explanations and scores, one for all and one per latent; exports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saesteer.cli import options
from saesteer.cli.compared import compare_runs
from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.cache import LatentCache
    from saesteer.cli.terminal import Steps
    from saesteer.examples import Interpretation, LatentId
    from saesteer.report.exports import Logits

    Effects = Callable[[LatentId], Logits | None]

PAGE = "report.html"


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Results of run, interpret, explain or score.", show_default=False
        ),
    ],
    others: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN]...", help="More runs: they are compared.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; default: report.html in DIR.")
    ] = None,
    latent: Annotated[
        str | None, typer.Option(help="Only the page of this latent: layers.3/123.", show_default=False)
    ] = None,
    export: Annotated[
        tuple[str, Path] | None,
        typer.Option(
            metavar="FORM FOLDER",
            help="Write neuronpedia, neuronpedia_api or sae_dashboard in place of pages.",
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="The cache; default: the one that the results name.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="For promoted tokens; default: world where the results are of it."
        ),
    ] = None,
    sae: Annotated[
        list[str] | None,
        typer.Option(help="For the same: SOURCE, or NAME=SOURCE where the cache has several; repeatable."),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="How many latents are listed and have a page.")] = 1000,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    json: options.Json = False,
) -> None:
    """Pages on explanations and scores, one for all and one per latent; exports.

    Of a folder of saesteer run: its report and its table, written anew from what lies there.

    Example: saesteer report interpretation

    Example: saesteer report interpretation --latent layers.3/123

    Example: saesteer report interpretation --export neuronpedia for-neuronpedia

    Example: saesteer report first-run second-run --out comparison.html
    """
    from saesteer.cli.terminal import print_json, print_table, progress

    if others:
        if export is not None or latent is not None:
            raise InputError("several runs are compared on one page; leave --latent and --export away")
        return compare_runs([folder, *others], out, json)
    if export is not None and (out is not None or latent is not None):
        raise InputError("--export writes a folder in place of pages; leave --out and --latent away")
    if out is not None:
        options.check_output(out, ".html")
    if _is_run(folder):
        done = _of_run(folder, out)
        print_json(done) if json else print_table(f"page: {done['page']}")
        return
    found = _results(folder)
    with progress(3) as bar:
        bar.step("opening the cache")
        texts = _cache(found, folder, cache)
        bar.step("loading the model")
        effects = _effects(found, texts, model, sae or [], device, dtype)
        bar.step("writing")
        if export is not None:
            done = _export(found, texts, *export, effects, bar)
        elif latent is not None:
            done = _latent(found, texts, latent, effects, out or folder / f"{_file(latent)}.html", folder)
        else:
            done = _pages(found, texts, effects, out or folder / PAGE, folder, most, bar)
    if json:
        print_json(done | {"summary": _summary(found)})
    else:
        print_table(*_lines(found, done))


def _is_run(folder: Path) -> bool:
    from saesteer.pipeline.experiment.result import is_run

    return is_run(folder)


def _results(folder: Path) -> Interpretation:
    from saesteer.pipeline.interpretation.results import Results

    results = Results(folder)
    if folder.is_dir() and not results.exists:
        raise InputError(
            f"{folder} holds no results of saesteer run, interpret, explain or score; check the path"
        )
    return results.load()


def _of_run(folder: Path, out: Path | None) -> dict[str, Any]:
    """The report of an experiment, from what lies in its folder alone."""
    from saesteer.pipeline.experiment import load_run, write_outcome
    from saesteer.pipeline.experiment.result import held

    if out is not None:
        raise InputError(
            f"the page of a run lies in its folder, where its links lead; leave --out {out} away"
        )
    with held(folder):
        run = load_run(folder)
        write_outcome(run)
    return {"page": run.report, "concepts": len(run.about["concepts"]), "cells": len(run.cells)}


def _cache(found: Interpretation, folder: Path, given: Path | None) -> LatentCache | None:
    """The one that was given, else the one that the results name, if it is still there."""
    named = found.about.get("cache")
    where = named.get("folder") if isinstance(named, dict) else None
    path = given or (None if where is None else folder / str(where))
    if path is None or (given is None and not path.is_dir()):
        return None
    from saesteer.cache import open_cache

    return open_cache(path)


def _effects(
    found: Interpretation,
    cache: LatentCache | None,
    model: str | None,
    given: list[str],
    device: str | None,
    dtype: str,
) -> Effects:
    """Nothing is loaded because a file says so, but for the package's own model and SAEs."""
    named, sources = found.about.get("model"), {}
    source = model or (named.get("source") if isinstance(named, dict) else None)
    if model is None and source != "world":
        return lambda _: None
    saes = found.about.get("saes")
    for name, entry in (saes if isinstance(saes, dict) else {}).items():
        where = entry.get("source") if isinstance(entry, dict) else None
        if isinstance(where, str) and where.startswith("world/"):
            sources[str(name)] = where
    sources |= _named(given, list(saes) if isinstance(saes, dict) else list(cache.names if cache else ()))
    if not sources:
        return lambda _: None
    from saesteer.cli.inputs import open_model, open_sae
    from saesteer.report.decoder_effects import decoder_effects

    opened = {name: open_sae(each, device) for name, each in sources.items()}
    return decoder_effects(open_model(str(source), device, dtype), opened, cache)


def _named(given: list[str], names: list[str]) -> dict[str, str]:
    found = {}
    for each in given:
        name, separator, source = each.partition("=")
        if not separator and len(names) != 1:
            raise InputError(
                f"--sae is NAME=SOURCE where there are several, got {each!r}: {', '.join(names)}"
            )
        if separator and name not in names:
            raise InputError(f"--sae names {name!r}, the results have {', '.join(names)}")
        found[name if separator else names[0]] = source if separator else each
    return found


def _pages(
    found: Interpretation,
    cache: LatentCache | None,
    effects: Effects,
    path: Path,
    folder: Path,
    most: int,
    bar: Steps,
) -> dict[str, Any]:
    from saesteer.report import LatentNotes, PageNotes, write_interpretation_page

    rows = folder / "scores.jsonl"
    notes = PageNotes(
        command=f"saesteer report {folder}",
        rows=rows.name if path.parent.resolve() == folder.resolve() and rows.is_file() else "",
        most=most,
    )
    page = write_interpretation_page(
        found, path, cache, effect=_only(effects), notes=notes,
        latent_notes=LatentNotes(length=_length(found)), progress=bar.report,
    )  # fmt: skip
    return {"page": page, "latents": min(most, len(found.latents))}


def _latent(
    found: Interpretation, cache: LatentCache | None, name: str, effects: Effects, path: Path, folder: Path
) -> dict[str, Any]:
    from saesteer.examples import LatentId
    from saesteer.report import LatentNotes, LatentPages

    sae, _, number = name.rpartition("/")
    if not sae or not number.isdecimal():
        raise InputError(f"--latent is SAE/NUMBER as in layers.3/123, got {name!r}")
    which = LatentId(sae, int(number))
    if cache is None and which not in found.latents:
        raise InputError(f"{which} is not in these results, and there is no cache of it; give --cache")
    notes = LatentNotes(length=_length(found), command=f"saesteer report {folder} --latent {name}")
    return {"page": LatentPages(cache, found, _only(effects), notes=notes).write(which, path)}


def _export(
    found: Interpretation, cache: LatentCache | None, form: str, out: Path, effects: Effects, bar: Steps
) -> dict[str, Any]:
    from saesteer.report.exports import EXPORTS, export_interpretation

    EXPORTS.get(form)
    if cache is None:
        raise InputError("an export needs the texts of the cache, which is not where it was; give --cache")
    options.check_folder(out)
    total, done = len(found.latents), iter(range(len(found.latents) + 1))
    files = export_interpretation(
        found, cache, out, form, effects=effects,
        progress=lambda label: bar.report(f"exporting {label}", next(done), total),
    )  # fmt: skip
    return {"export": out, "form": form, "files": len(files)}


def _only(effects: Effects) -> Any:
    """What pages show of an effect."""

    def effect(latent: LatentId) -> Any:
        logits = effects(latent)
        return None if logits is None else logits.effect

    return effect


def _length(found: Interpretation) -> int:
    """Tokens of a window."""
    examples = found.about.get("examples")
    length = examples.get("length") if isinstance(examples, dict) else None
    return length if type(length) is int and 0 < length <= 4096 else 32


def _file(latent: str) -> str:
    from saesteer.report.latent_links import folders

    return "latent_" + folders([latent])[latent]


def _summary(found: Interpretation) -> list[dict[str, Any]]:
    from saesteer.report import score_summary

    rows = []
    for each in score_summary(found):
        record = {field.name: getattr(each, field.name) for field in fields(each)}
        record["auroc"] = each.roc.area if each.roc else None
        del record["roc"], record["label"]
        rows.append(record)
    return rows


def _lines(found: Interpretation, done: dict[str, Any]) -> list[str]:
    """What was found, in sentences, and where it lies."""
    from saesteer.report import findings, score_summary
    from saesteer.report.score_summary import failures

    where = f"page: {done['page']}" if "page" in done else f"{done['files']} files in {done['export']}"
    return [*findings(found, score_summary(found), failures(found)), f"\n{where}"]
