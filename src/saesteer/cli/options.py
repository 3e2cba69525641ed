"""Options that several verbs share, and the checks that can be made before anything is loaded."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Final

import typer

from saesteer.errors import InputError, SaesteerError


def finite(value: float | None) -> float | None:
    """A finite number or none; typer names the option in the message."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"must be a finite number, got {value}")
    return value


SOURCE: Final = (
    "The SAE: world/layers.3, a folder or file of any known format, release/sae_id, or owner/repo/folder of "
    "the Hugging Face Hub."
)
Model = Annotated[
    str, typer.Option("--model", "-m", help="The model: world, a Hugging Face folder or an id of its hub.")
]
Sae = Annotated[str, typer.Option("--sae", help=SOURCE)]
At = Annotated[
    str | None, typer.Option("--at", help="The hookpoint, such as layers.3; default: the SAE's own.")
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="A torch device; default: SAESTEER_DEVICE or cpu.", show_default=False),
]
Dtype = Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")]
Over = Annotated[
    list[Path] | None,
    typer.Option("--with", help="A file to lay over it, key by key; repeatable.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
Force = Annotated[bool, typer.Option("--force", help="Steer although the spec was made for another model.")]

MODEL: Final = "world"
SAE: Final = "world/layers.3"
HOOKPOINT: Final = "layers.3"


def check_output(path: Path, ending: str | None = None) -> None:
    """Refuse a file that cannot be written, before minutes of work are spent on it."""
    if ending is not None and path.suffix.lower() != ending:
        raise InputError(f"what is written is a {ending} file, got {path.name!r}; rename it")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file")
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, so {path} cannot lie below it; give another path")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SaesteerError(f"{path} cannot be written: no right to write to {folder}; give another path")


def check_folder(path: Path) -> None:
    """The same for a folder, new or old."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; give the name of a folder")
    check_output(path / "a file")


def check_unicode(text: str, noun: str) -> str:
    """The text, unless its bytes on the command line were no text."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(f"{noun} is not UTF-8, got {text[:40]!r}; give text")
    return text
