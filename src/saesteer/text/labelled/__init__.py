"""Labelled data sets by the form in which they are published: one reader per file, in one visible table.

A reader gives documents whose label is "1", "0" or unknown (None), and a label by degrees in meta["grade"]
where there is one. Its fields are its options. It knows the data set's columns, not what is done with labels.
"""

from __future__ import annotations

from collections.abc import Mapping

from saesteer.errors import InputError, UnknownName
from saesteer.names import Registry
from saesteer.text.labelled.reader import LabelledReader, from_text, option_names

READERS: Registry[type[LabelledReader]] = Registry(
    "reader of texts",
    {
        "real_toxicity_prompts": "saesteer.text.labelled.real_toxicity_prompts:RealToxicityPrompts",
        "aegis": "saesteer.text.labelled.aegis:Aegis",
        "shakespeare": "saesteer.text.labelled.shakespeare:Shakespeare",
        "wikitext": "saesteer.text.labelled.wikitext:WikiText",
        "table": "saesteer.text.labelled.table:Table",
        "mixture": "saesteer.text.labelled.mixture:Mixture",
    },
    group="saesteer.readers",
)


def make_reader(name: str, options: Mapping[str, str]) -> LabelledReader:
    """The reader with options as a command line or a YAML file spells them; InputError names the option."""
    kind = READERS.get(name)
    known = option_names(kind)
    for each in options:
        if each not in known:
            if not known:
                raise InputError(f"{name} has no options, got {each}={options[each]}; leave it out")
            raise UnknownName.of(f"option of {name}", each, known)
    return from_text(kind, name, options)


__all__ = ["READERS", "LabelledReader", "make_reader"]
