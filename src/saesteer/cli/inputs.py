"""Models, SAEs and texts that a command line names; not what is done with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saesteer.errors import InputError

if TYPE_CHECKING:
    from saesteer.model import LanguageModel
    from saesteer.saes import SAE

_STORIES_SEED = 51_000_000  # stories that no model was trained on


def fields_of(file: str | Path | None, over: Sequence[Path] | None) -> dict[str, Any]:
    """The fields of a plan's file with those of --with laid over them; none where there is no file."""
    if file is None:
        if over:
            raise InputError(f"--with lays {over[0]} over a file, and none is given; name it first")
        return {}
    from saesteer.runs import read_fields

    return read_fields(file, over or ())


def plain_value(name: str, text: str) -> Any:
    """A flag's text as a file would have it."""
    from saesteer.parsing import parse_yaml

    try:
        return parse_yaml(text)
    except ValueError as error:
        raise InputError(f"{name}={text!r} is no value ({error}); quote it") from error


def settings_of(texts: Sequence[str]) -> dict[str, Any]:
    """From "paired=false" of --set: values by name, as a file would have them."""
    found: dict[str, Any] = {}
    for text in texts:
        given, equals, value = text.partition("=")
        name = given.strip().replace("-", "_")
        if not name or not equals or not value.strip() or name in found:
            raise InputError(f"--set is NAME=VALUE, each name once, got {text!r}; mend it")
        found[name] = plain_value(f"--set {given}", value)
    return found


def open_model(name: str, device: str | None, dtype: str) -> LanguageModel:
    """The model; transformers keeps quiet while it loads."""
    quiet()
    from saesteer.model import load_model
    from saesteer.settings import load_settings

    return load_model(name, dtype=dtype, device=device or load_settings().device)


def quiet() -> None:
    """No bars and warnings of transformers beside our own bar and our one line."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def open_sae(name: str, device: str | None) -> SAE:
    """The SAE, on the same device as the model."""
    from saesteer.saes import load_sae
    from saesteer.settings import load_settings

    return load_sae(name, device=device or load_settings().device)


def read_lines(path: Path) -> list[str]:
    """The texts of a file, all of them."""
    from saesteer.text import read_texts

    return [document.text for document in read_texts(path)]


def texts_for(model: str, path: Path | None, count: int) -> Iterator[str]:
    """The texts of a file, or stories of the embedded world for its own model."""
    if path is not None:
        return iter(read_lines(path))
    if model != "world":
        raise InputError(
            f"there are no texts for the model {model!r}; give --texts FILE (.txt, .jsonl, .csv)"
        )
    return _stories(count)


def _stories(count: int) -> Iterator[str]:
    from saesteer.world.story import tell

    return (tell(_STORIES_SEED + number).text for number in range(count))


def absolute(source: str) -> str:
    """A folder or file as a spec can name it from anywhere; registered names stay."""
    return str(Path(source).resolve()) if Path(source).exists() else source
