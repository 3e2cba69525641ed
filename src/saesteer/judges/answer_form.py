"""The JSON object that an answer is to be: asked for as a schema, read, checked. Knows no question."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from saesteer.llms import Reply
from saesteer.parsing import parse_json

_FENCE: Final = re.compile(r"\A\s*(?:```|~~~)\w*\s*(.*?)\s*(?:```|~~~)\s*\Z", re.DOTALL)
REASON: Final = "reason"


class Unparsed(Exception):
    """The answer says nothing; the message says why."""


@dataclass(frozen=True)
class Form:
    """Fields by name, each with the values that it may have."""

    fields: Mapping[str, tuple[int | str, ...]]
    reason: bool = False
    """Whether a sentence of reasoning comes first."""

    def schema(self) -> str:
        """As JSON text, in the part of JSON schema that servers promise to keep to."""
        kinds = {int: "integer", str: "string"}
        values = {
            name: {"type": kinds[type(allowed[0])], "enum": list(allowed)}
            for name, allowed in self.fields.items()
        }
        properties = ({REASON: {"type": "string"}} if self.reason else {}) | values
        whole = {"type": "object", "properties": properties, "required": list(properties)}
        return json.dumps(whole | {"additionalProperties": False})

    def shown(self) -> str:
        """An answer of this form, for the prompt: {"behaviour": 1 to 10}."""
        pairs = [f'"{REASON}": "one short sentence"'] if self.reason else []
        pairs += [f'"{name}": {_choices(allowed)}' for name, allowed in self.fields.items()]
        return "{" + ", ".join(pairs) + "}"

    def read(self, reply: Reply) -> dict[str, Any]:
        """The fields of an answer; Unparsed where it is none of this form."""
        record = _object(reply)
        if missing := [name for name in self.fields if name not in record]:
            raise Unparsed(f"the answer has no {missing[0]}{_begin(reply)}")
        for name, allowed in self.fields.items():
            value = record[name]
            if isinstance(value, bool | dict | list) or value not in allowed:
                raise Unparsed(f"{name} is {_choices(allowed)}, the answer says {value!r}")
        found = {name: type(allowed[0])(record[name]) for name, allowed in self.fields.items()}
        return found | ({REASON: str(record[REASON])} if record.get(REASON) else {})


def _object(reply: Reply) -> dict[str, Any]:
    _, _, text = reply.text.rpartition("</think>")
    if "<think>" in text:
        raise Unparsed(f"the answer ends while it is still thinking{_begin(reply)}")
    fence = _FENCE.match(text)
    try:
        record = parse_json(fence[1] if fence else text.strip())
    except ValueError:
        raise Unparsed(f"the answer is no JSON{_begin(reply)}") from None
    if not isinstance(record, dict):
        raise Unparsed(f"the answer is no JSON object{_begin(reply)}")
    return record


def _begin(reply: Reply) -> str:
    cut = "; it was cut off at max_tokens" if reply.ended == "length" else ""
    return f"{cut}: {reply.text[:80]!r}"


def _choices(allowed: tuple[int | str, ...]) -> str:
    if isinstance(allowed[0], int):
        return f"{allowed[0]} to {allowed[-1]}"
    return " or ".join(json.dumps(each) for each in allowed)
