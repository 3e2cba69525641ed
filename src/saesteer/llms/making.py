"""A client from a line of text or a mapping of a settings file. Knows the table of clients and none of them.

    openai:gpt-4o-mini                        openai:NAME@http://127.0.0.1:8000/v1
    hf:FOLDER        vllm:FOLDER              scripted:FILE.jsonl        oracle

or {"client": one of these lines, "cache": FOLDER, and options of the client by their names}.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.llms.client import Client
from saesteer.llms.disk import CachedClient
from saesteer.llms.table import CLIENTS
from saesteer.names import Registry

_ASIDE: Final = {"client", "cache"}
_UNSAID: Final = {"clock"}  # options that no file can hold


def client_from(given: str | Mapping[str, Any] | Client, table: Registry[Any] = CLIENTS) -> Client:
    """The client that a line or mapping describes; a client is given back as it is.

    InputError names the field that cannot be meant.
    """
    if not isinstance(given, str | Mapping):
        if isinstance(given, Client):
            return given
        raise InputError(f"client is a text or a mapping, got {type(given).__name__}")
    fields: dict[str, Any] = {"client": given} if isinstance(given, str) else dict(given)
    line, cache = fields.get("client"), fields.get("cache")
    if not isinstance(line, str) or not line.strip():
        raise InputError(f"client is a text like openai:gpt-4o-mini or oracle, got {line!r}")
    if cache is not None and (not isinstance(cache, str) or not cache.strip()):
        raise InputError(f"cache is a folder, got {cache!r}")
    options = {name: value for name, value in fields.items() if name not in _ASIDE}
    client = _made(line.strip(), options, table)
    return client if cache is None else CachedClient(client, cache)


def _made(line: str, options: dict[str, Any], table: Registry[Any]) -> Client:
    name, colon, text = line.partition(":")
    client: Client = made(table, name, text.strip() if colon else None, options)
    return client


def made(table: Registry[Any], name: str, text: str | None, options: Mapping[str, Any]) -> Any:
    """What stands under `name`, made with options by name and with the `text` that follows NAME: in a line.

    InputError names the option that is unknown, missing or given twice. `text` None: no colon in the line.
    """
    noun = table.noun
    kind = table.get(name)
    known = _parameters(kind)
    said = {} if text is None else _said(noun, name, kind, known, text)
    for each in options:
        if each not in known:
            raise UnknownName.of(f"option of the {noun} {name}", each, known)
        if each in said:
            raise InputError(f"{each} is given twice, in the line {name}:... and as an option; leave one out")
    if missing := [each for each, needed in known.items() if needed and each not in {**said, **options}]:
        raise InputError(f"the {noun} {name} needs {', '.join(missing)}; write {name}:... or the option")
    return kind(**said, **options)


def _said(noun: str, name: str, kind: Any, known: Mapping[str, bool], text: str) -> dict[str, Any]:
    """The options that stand in the line: the kind's own `fields_of`, else its first option."""
    if not known or not text:
        raise InputError(f"{noun}: nothing is to follow {name}, or something is missing after the colon")
    if hasattr(kind, "fields_of"):
        return dict(kind.fields_of(text))
    return {next(iter(known)): text}


def _parameters(call: Any) -> dict[str, bool]:
    """The names that a constructor takes, in order, and whether each must be given."""
    return {
        each.name: each.default is each.empty
        for each in inspect.signature(call).parameters.values()
        if each.name not in _UNSAID and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    }
