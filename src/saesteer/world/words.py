"""The lexicon: which word belongs to which class of which concept.

Every word has exactly one class and one owner (a concept, or nobody: generic). That one rule makes reading a
sentence a table look-up and its derivation unique. Knows nothing of stories.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml

from saesteer.errors import UnknownName

CONCEPT_CLASSES = (
    "thing",
    "things",
    "stuff",
    "person",
    "place",
    "acted_on",
    "acted",
    "to_act",
    "acting",
    "quality",
    "manner",
)
GENERIC_CLASSES = (
    "spot",
    "tell",
    "count",
    "degree",
    "mood",
    "reason",
    "direction",
    "food",
    "garment",
    "dwelling",
    "furniture",
)
REGISTERS = ("insults", "archaic", "polite")
TOPICS = (
    "wedding",
    "sea",
    "cooking",
    "medicine",
    "school",
    "space",
    "london",
    "music",
    "weather",
    "dogs",
    "money",
    "war",
    "faith",
    "computers",
    "garden",
    "sport",
    "anger",
    "praise",
    "love",
    "fear",
    "sadness",
    "unsafe",
    "french",
)
CONCEPTS = TOPICS + REGISTERS
Frames = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Entry:
    """What a word is: its class, and the concept that owns it (None for generic words)."""

    kind: str
    owner: str | None


@dataclass(frozen=True)
class ConceptWords:
    """One concept's own words by class, its own sentence patterns and how a title names it."""

    name: str
    title: str
    description: str
    classes: Mapping[str, tuple[str, ...]]
    patterns: tuple[str, ...]
    grades: Mapping[str, int] = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word for kind in CONCEPT_CLASSES for word in self.classes[kind])


@dataclass(frozen=True)
class Lexicon:
    """All words of the world and the frames that they stand in."""

    concepts: Mapping[str, ConceptWords]
    generic: Mapping[str, tuple[str, ...]]
    names: Mapping[str, tuple[str, ...]]
    frames: Frames
    titles: Frames
    connectives: Frames
    entries: Mapping[str, Entry]

    def __getitem__(self, concept: str) -> ConceptWords:
        if concept not in self.concepts:
            raise UnknownName.of("concept of the world", concept, self.concepts)
        return self.concepts[concept]


def _read(name: str) -> dict:
    return yaml.safe_load((files("saesteer.world") / "lexicon" / f"{name}.yaml").read_text(encoding="utf-8"))


def _tuples(table: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(str(word) for word in words) for key, words in table.items()}


def _concept(name: str) -> ConceptWords:
    raw = _read(name)
    return ConceptWords(
        name=name,
        title=raw["title"],
        description=raw["description"],
        classes=_tuples({kind: raw[kind] for kind in CONCEPT_CLASSES}),
        patterns=tuple(raw["patterns"]),
        grades=MappingProxyType({str(k): int(v) for k, v in raw.get("grades", {}).items()}),
    )


def _entries(
    concepts: Mapping[str, ConceptWords], generic: Frames, names: Frames
) -> Iterator[tuple[str, Entry]]:
    for concept in concepts.values():
        for kind in CONCEPT_CLASSES:
            yield from ((word, Entry(kind, concept.name)) for word in concept.classes[kind])
    for table in (generic, names):
        for kind, words in table.items():
            yield from ((word, Entry(kind, None)) for word in words)


@cache
def lexicon() -> Lexicon:
    """The world's lexicon, read once. A word with two entries is a defect of the data and refused."""
    concepts = {name: _concept(name) for name in CONCEPTS}
    generic, names, raw = _tuples(_read("generic")), _tuples(_read("names")), _read("frames")
    entries: dict[str, Entry] = {}
    for word, entry in _entries(concepts, generic, names):
        if word in entries:
            raise AssertionError(f"{word!r} is {entries[word]} and {entry}")
        entries[word] = entry
    return Lexicon(
        concepts=concepts,
        generic=generic,
        names=names,
        frames=_tuples({k: raw[k] for k in ("opening", "closing", "neutral", "shared")}),
        titles=_tuples(raw["titles"]),
        connectives=_tuples(raw["connectives"]),
        entries=MappingProxyType(entries),
    )
