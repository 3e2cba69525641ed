"""`saesteer convert`: an SAE of any format that is known, written in the sae_lens layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saesteer.cli import options
from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.saes import SAE


def convert(
    source: Annotated[str, typer.Argument(help=options.SOURCE)],
    folder: Annotated[Path, typer.Argument(help="The folder to write; it must be new or empty.")],
    hookpoint: Annotated[
        str | None, typer.Option("--hookpoint", help="Where it was trained, if the files do not say.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The model it was trained on, if they do not say.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="float32, bfloat16, float16 or float64; default: theirs.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Write an SAE of any known format in the sae_lens layout.

    Example: saesteer convert gpt2-small/resid_post_mlp_v5_32k/autoencoders/5.pt ./my-sae

    Example: saesteer convert google/gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71 ./my-sae
    """
    from saesteer.cli.checkpoints import described, lines
    from saesteer.cli.terminal import print_json, print_table, progress
    from saesteer.saes import recognise
    from saesteer.saes.loading import read

    _check_folder(folder)
    with progress(3) as bar:
        bar.step(f"looking for {source}")
        which = recognise(source)
        bar.step(f"reading {which.format}")
        sae = _named(read(which, dtype=dtype), hookpoint, model)
        bar.step(f"writing {folder}")
        sae.save(folder)
    if json:
        print_json({"written": str(folder), **described(which, sae)})
        return
    print_table(*lines(which, sae), f"Written to {folder} in the sae_lens layout.")


def _check_folder(folder: Path) -> None:
    """A folder of its own, so that no file of another SAE stays beside it."""
    options.check_output(folder / "cfg.json")
    if folder.is_file():
        raise InputError(f"{folder} is a file; give the name of a folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; give the name of a new folder")


def _named(sae: SAE, hookpoint: str | None, model: str | None) -> SAE:
    """The SAE with what the command line knows of its origin."""
    from dataclasses import replace

    cfg = replace(
        sae.cfg,
        hook_name=sae.cfg.hook_name if hookpoint is None else hookpoint,
        model_name=sae.cfg.model_name if model is None else model,
    )
    return type(sae)(cfg, dict(sae.named_parameters()))
