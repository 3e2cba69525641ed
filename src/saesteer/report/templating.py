"""Templates that escape everything, with the filters that all pages use. Knows no record."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined
from markupsafe import Markup

from saesteer.report import words

TEMPLATES: Final = Path(__file__).parent / "templates"


def environment() -> Environment:
    """Every text is made harmless and escaped; a name that is not there is an error."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    found.filters |= {
        "number": words.number,
        "times": words.times,
        "short": words.short,
        "chance": words.chance,
        "signed": words.signed,
        "between": words.between,
        "token": words.token,
        "bare_token": words.bare_token,
        "address": lambda path: quote(path, safe="/"),
    }
    return found


def _harmless(value: Any) -> Any:
    """Whatever becomes text on the page, also what is no plain string but has a name from outside."""
    return value if isinstance(value, Markup | Undefined | int | float) else words.visible(str(value))


def style(*names: str) -> Markup:
    """Our own style sheets, one after the other."""
    return Markup("\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names))


def flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    """A nested mapping as lines of name and value."""
    if isinstance(value, dict):
        return [line for key, each in value.items() for line in flat(each, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        return [(path, ", ".join(str(each) for each in value))]
    return [(path, "–" if value is None else str(value))]  # noqa: RUF001
