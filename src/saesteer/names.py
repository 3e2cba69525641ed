"""Tables from names to things, resolved on use. Knows no thing that it names and imports nothing until asked.

A built-in is a line in a visible table: `Registry("model", {"world": "saesteer.world.assets:load"})`. An
outsider adds the same line as an entry point of the registry's group, or calls `register`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from saesteer.errors import InputError, UnknownName

T = TypeVar("T")


def resolve(target: str) -> Any:
    """The object at "module:attribute" (dots allowed in the attribute), importing the module."""
    module, colon, attribute = target.partition(":")
    if not (module and colon and attribute):
        raise InputError(f"a registered target is 'module:attribute', got {target!r}")
    found: Any = import_module(module)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InputError(
                f"{module} has no attribute {attribute!r}, got target {target!r}; check the table"
            )
        found = getattr(found, part)
    return found


class Registry(Generic[T]):
    """Names of one noun ("model", "method", ...) and what they stand for."""

    def __init__(self, noun: str, table: Mapping[str, str | T], group: str | None = None) -> None:
        """`group`: the entry-point group in which other packages add names; a built-in wins over theirs."""
        self.noun = noun
        self.group = group
        self._table: dict[str, str | T] = dict(table)

    def get(self, name: str) -> T:
        """What `name` stands for, imported now where the table holds a string; UnknownName otherwise."""
        if name in self._table:
            target = self._table[name]
            return cast(T, resolve(target)) if isinstance(target, str) else target
        outside = self._outsiders().get(name)
        if outside is None:
            raise UnknownName.of(self.noun, name, self.names())
        return cast(T, outside.load())

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted({*self._table, *self._outsiders()})

    def register(self, name: str, target: str | T) -> None:
        """Add a name; a taken one is refused, since two things behind one name cannot be told apart."""
        if name in self:
            raise InputError(f"the {self.noun} {name!r} exists already; register it under another name")
        self._table[name] = target

    def __contains__(self, name: object) -> bool:
        return name in self._table or name in self._outsiders()

    def __repr__(self) -> str:
        return f"Registry({self.noun!r}, {self.names()})"

    def _outsiders(self) -> dict[str, EntryPoint]:
        if self.group is None:
            return {}
        return {each.name: each for each in entry_points(group=self.group)}
