"""Text from outside as Markdown that shows it and does nothing else. Knows Markdown's signs, no record."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined
from markupsafe import Markup

from saesteer.report.words import exact

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def one_line(text: str) -> str:
    """`text` on one line, safe in a paragraph, a list, a heading and a cell of a table."""
    text = exact(" ".join(text.split()))
    text = re.sub(r"[&<>]", lambda found: _ENTITIES[found[0]], text)
    text = re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", text)
    text = text.replace("://", "&#58;//")  # no address becomes a link by itself
    text = re.sub(r"(?i)\b(www)\.", r"\1\\.", text)
    return re.sub(r"^(?:[-+](?=\s|$)|[-=](?=[-=\s]*$)|\d+(?=[.)](?:\s|$)))", _start, text)


def quoted(text: str, before: str = "> ") -> str:
    """`text` line by line as a quotation."""
    return "\n".join(f"{before}{one_line(line)}".rstrip() + "  " for line in text.split("\n"))


def harmless(value: Any) -> Any:
    """Whatever a template writes that is not already Markdown of our own."""
    return value if isinstance(value, Markup | Undefined | int | float) else Markup(one_line(str(value)))


def link(text: Any, path: str) -> Markup:
    """A link to a file beside the page; the text alone where there is none."""
    shown = harmless(text)
    return Markup(f"[{shown}]({address(path)})") if path else Markup(str(shown))


def address(path: str) -> Markup:
    """A relative path as the end of a link."""
    return Markup(quote(path, safe="/"))


def code(text: str) -> Markup:
    """`text` as one line of code, where nothing is Markdown."""
    return Markup("    " + exact(" ".join(text.split())))


def _start(found: re.Match[str]) -> str:
    """The first sign of a line that would begin a list or a rule; a number keeps its digits."""
    return found[0] + "\\" if found[0].isdigit() else "\\" + found[0]
