"""JSON and YAML from strangers to plain values. Knows text only: who reads a file says which one it was.

A YAML file may name a value once and repeat it by alias: nine lines then stand for a billion values, so
aliases are refused. So is nesting that no file of ours has, and a key that stands twice, of which the plain
readers keep the last without a word.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

DEPTH: Final = 64
"""Lists and mappings inside each other at most."""
_EXPONENT: Final = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+$")
"""Numbers of YAML 1.2 that the 1.1 of the reader takes for text: 1e-3, 2.5e4."""


def parse_json(text: str) -> Any:
    """The value that `text` spells; ValueError with a reason of one line."""
    try:
        return _shallow(json.loads(text, object_pairs_hook=_distinct))
    except RecursionError as error:
        raise ValueError(f"nested more than {DEPTH} deep") from error


def parse_yaml(text: str) -> Any:
    """The same for YAML, by the safe loader (no object is ever built), without aliases."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("aliases (*name) are not taken; write the value out")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            _distinct([(each.value, None) for each, _ in node.value if isinstance(each.value, str)])
            return super().construct_mapping(node, deep)

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
    try:
        return _shallow(yaml.load(text, Loader))
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError(f"nested more than {DEPTH} deep") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice; keep one")
        found[key] = value
    return found


def _shallow(value: Any) -> Any:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return value
    raise ValueError(f"nested more than {DEPTH} deep")
