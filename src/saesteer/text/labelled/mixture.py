"""Mixtures: documents of several sources, one after the other or drawn by weight. Knows sources by name only.

A mixture's file is YAML:

    order: interleaved                  # or: concatenated
    seed: 0
    sources:
      - {texts: "real_toxicity_prompts:rtp.jsonl", weight: 2}
      - {texts: "wikitext:wiki.test.raw", label: "0"}      # every text of it gets this label
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.parsing import parse_yaml
from saesteer.text.document import Document
from saesteer.text.labelled.reader import LabelledReader
from saesteer.text.sources import read_text, read_texts

_ORDERS: Final = ("interleaved", "concatenated")
_FIELDS: Final = ("order", "seed", "sources")
_OF_SOURCE: Final = ("texts", "weight", "label", "text_column", "label_column")


@dataclass(frozen=True)
class Mixture(LabelledReader):
    """The sources that a YAML file names; paths in it start from the working folder."""

    def read(self, source: str) -> Iterator[Document]:
        """Every document of every source, once; the same order for the same file."""
        record = _mapping(source)
        entries = [_entry(each, f"{source}: sources[{i}]") for i, each in enumerate(record["sources"])]
        streams = [_stream(each) for each in entries]
        if record.get("order", _ORDERS[0]) == "concatenated":
            return (each for stream in streams for each in stream)
        return interleaved(streams, [each["weight"] for each in entries], record.get("seed", 0))


def interleaved(
    streams: Sequence[Iterator[Document]], weights: Sequence[float], seed: int = 0
) -> Iterator[Document]:
    """All documents: the next one is of a stream drawn by weight among those that go on."""
    draw = random.Random(seed)
    going = list(zip(streams, weights, strict=True))
    while going:
        place = draw.choices(range(len(going)), [weight for _, weight in going])[0]
        found = next(going[place][0], None)
        if found is None:
            del going[place]
        else:
            yield found


def _mapping(source: str) -> Mapping[str, Any]:
    try:
        record = parse_yaml(read_text(Path(source)))
    except ValueError as error:
        raise InputError(f"{source} is not valid YAML ({error}); mend it") from error
    if not isinstance(record, Mapping) or not isinstance(record.get("sources"), list):
        raise InputError(f"{source} holds no mixture; write sources: [{{texts: ..., weight: 1}}, ...]")
    for key in record:
        if key not in _FIELDS:
            raise UnknownName.of(f"field of {source}", key, _FIELDS)
    if not record["sources"]:
        raise InputError(f"{source}: sources is empty; name at least one")
    if record.get("order", _ORDERS[0]) not in _ORDERS:
        raise InputError(f"{source}: order is one of {', '.join(_ORDERS)}, got {record['order']!r}")
    if not isinstance(record.get("seed", 0), int):
        raise InputError(f"{source}: seed is a whole number, got {record['seed']!r}")
    return record


def _entry(given: Any, where: str) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not isinstance(given.get("texts"), str):
        raise InputError(f"{where} is a mapping with texts: SOURCE, got {given!r:.60}; mend it")
    for key in given:
        if key not in _OF_SOURCE:
            raise UnknownName.of(f"field of {where}", key, _OF_SOURCE)
    weight = given.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
        raise InputError(f"{where}: weight is a number over 0, got {weight!r}")
    return {**given, "weight": float(weight)}


def _stream(entry: Mapping[str, Any]) -> Iterator[Document]:
    text, label = (str(entry.get(f"{name}_column", name)) for name in ("text", "label"))
    for each in read_texts(entry["texts"], text=text, label=label):
        yield replace(each, label=str(entry["label"])) if entry.get("label") is not None else each
