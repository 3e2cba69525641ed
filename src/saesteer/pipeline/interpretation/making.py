"""Explainers and scorers from what a command line or a settings file says of them. Knows the two tables.

    detection      fuzzing[negatives=active,n_shown=10]      folder:DIR      {name: default, levels: true}

What a constructor takes beside its own options (client, lm, saes, embedder, ...) comes from `Given`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.examples import Explanation, LatentRecord, Score
from saesteer.explainers import EXPLAINERS, Explainer
from saesteer.llms.client import Client
from saesteer.names import Registry
from saesteer.parsing import parse_yaml
from saesteer.runs import plain
from saesteer.scorers import SCORERS, Scorer

_LINE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)(?:\[(.*)\])?(?::(.+))?", re.DOTALL)
_ASIDE: Final = ("name", "client")


@dataclass(frozen=True)
class Asked:
    """A tool by its name in a table, and its own options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None
    """What stands behind a colon: the first of its options that has no default."""
    client: Any = None
    """One of its own, as `client_from` takes it."""

    def record(self) -> dict[str, Any]:
        """For about.json: no client, which may have been given with an address."""
        return {"name": self.name, **plain(dict(self.options))} | ({"of": self.text} if self.text else {})


@dataclass(frozen=True)
class Given:
    """What a tool may ask for."""

    client: Client | None = None
    things: Mapping[str, Any] = field(default_factory=dict)
    """lm, saes, embedder, explanations, others, ...: None where it is not at hand."""


def known(asked: Asked, table: Registry[Any]) -> Asked:
    """The same; UnknownName where the table has no such name."""
    if asked.name not in table:
        raise UnknownName.of(table.noun, asked.name, table.names())
    return asked


def asked_for(given: str | Mapping[str, Any], where: str) -> Asked:
    """From a line or a mapping with a name; InputError names the field `where`."""
    if isinstance(given, str):
        return _from_line(given, where)
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise InputError(f"{where} is a name, or a mapping with a name and options, got {given!r}")
    found = _from_line(given["name"], where)
    options = {str(key): value for key, value in given.items() if key not in _ASIDE}
    return Asked(found.name, {**found.options, **options}, found.text, given.get("client"))


def make_explainer(asked: Asked, given: Given) -> Explainer:
    """The explainer; InputError where it cannot be meant.

    best_of takes `inner`, an explainer (default: default), and `by`, the scorer that chooses (detection).
    """
    if {"inner", "value"} <= _parameters(EXPLAINERS.get(asked.name)).keys():
        inner = make_explainer(asked_for(asked.options.get("inner", "default"), "inner"), given)
        scorer = make_scorer(asked_for(asked.options.get("by", "detection"), "by"), given)
        own = {name: each for name, each in asked.options.items() if name not in ("inner", "by")}
        made = {"inner": inner, "value": Valued(scorer), "valued_by": scorer.fingerprint()}
        asked = replace(asked, options={**own, **made})
    found: Explainer = _made(EXPLAINERS, asked, given)
    return found


def make_scorer(asked: Asked, given: Given) -> Scorer:
    """The scorer; InputError where it cannot be meant."""
    found: Scorer = _made(SCORERS, asked, given)
    return found


@dataclass(frozen=True)
class Valued:
    """What a scorer says of an explanation."""

    scorer: Scorer

    async def __call__(self, record: LatentRecord, explanation: Explanation) -> Score:
        return await self.scorer.score(record, explanation)


def needs(asked: Asked, table: Registry[Any]) -> frozenset[str]:
    """The names of what its constructor must be given beside its options: client, lm, saes, ..."""
    return frozenset(
        name
        for name, each in _parameters(table.get(asked.name)).items()
        if each.default is each.empty and name not in asked.options
    )


def _made(table: Registry[Any], asked: Asked, given: Given) -> Any:
    kind = table.get(asked.name)
    takes = _parameters(kind)
    offered = {"client": given.client, **given.things}
    own = [name for name in takes if name not in offered]
    options = dict(asked.options)
    if asked.text is not None:
        first = next((each for each in own if each not in options), None)
        if first is None:
            raise InputError(f"{table.noun} {asked.name} takes no text after a colon, got {asked.text!r}")
        options[first] = asked.text
    for name in options:
        if name not in takes:
            raise UnknownName.of(f"option of the {table.noun} {asked.name}", name, own)
    passed = {name: each for name, each in offered.items() if name in takes and each is not None} | options
    for name, each in takes.items():
        if each.default is each.empty and name not in passed:
            raise InputError(f"{table.noun} {asked.name} needs {_called(name)}; give it")
    try:
        return kind(**passed)
    except (TypeError, ValueError) as error:
        raise InputError(f"{table.noun} {asked.name}: {error}; mend its options") from error


def _parameters(kind: Any) -> dict[str, inspect.Parameter]:
    found = inspect.signature(kind).parameters
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: each for name, each in found.items() if each.kind in kinds}


def _called(name: str) -> str:
    """As users give it."""
    words = {"client": "a client (--client, or client:)", "lm": "a model (--model)", "saes": "SAEs (--sae)"}
    return words.get(name, name)


def _from_line(line: str, where: str) -> Asked:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise InputError(f"{where} is NAME, NAME[option=value,...] or NAME:TEXT, got {line!r}")
    options = {}
    for each in _parted(match[2] or ""):
        key, equals, value = each.partition("=")
        if not (key.strip() and equals):
            raise InputError(f"{where}: options are NAME=VALUE with commas, got {each!r}")
        options[key.strip()] = _value(value, where)
    return Asked(match[1], options, match[3])


def _parted(text: str) -> list[str]:
    """At commas that stand in no brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [each for each in parts if each.strip()]


def _value(text: str, where: str) -> Any:
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise InputError(f"{where}: {text!r} is no value ({error})") from error
