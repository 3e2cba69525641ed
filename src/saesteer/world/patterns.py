"""Sentence patterns and their signatures.

A signature is the sentence with every lexicon word replaced by its class. Since a word has one class, reading
a sentence is one look-up of its signature, and patterns with distinct signatures have distinct sentences.
Knows the lexicon, not the story.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from saesteer.world.surface import takes_an
from saesteer.world.words import CONCEPT_CLASSES, Lexicon, lexicon

SUBJECT, OTHER, NAME = "Who", "other", "Name"
GENDERED = {"his": ("her", "his"), "himself": ("herself", "himself")}
SLOT = re.compile(r"^\{([\w.]+)\}$")
Signature = tuple[str, ...]


@dataclass(frozen=True)
class Slot:
    """A hole in a pattern: `kind` is the class of the word; `main` marks a word of the story's topic in a
    register's pattern.
    """

    kind: str
    main: bool = False
    same: bool = False

    @property
    def topical(self) -> bool:
        return self.kind in CONCEPT_CLASSES


@dataclass(frozen=True)
class Pattern:
    """One sentence pattern: its place (`part`), whose it is (`owner`) and its items, words or slots."""

    part: str  # opening, closing, neutral, shared, own
    owner: str | None
    items: tuple[str | Slot, ...]
    source: str

    def has(self, kind: str) -> bool:
        return any(isinstance(item, Slot) and item.kind == kind for item in self.items)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(item for item in self.items if isinstance(item, Slot))

    @cached_property
    def has_main(self) -> bool:
        return any(slot.main for slot in self.slots)

    @cached_property
    def has_same(self) -> bool:
        return any(slot.same for slot in self.slots)

    @cached_property
    def has_other(self) -> bool:
        return self.has(OTHER)

    @cached_property
    def has_subject(self) -> bool:
        return self.has(SUBJECT)


def parse_pattern(part: str, owner: str | None, source: str) -> Pattern:
    """Read the written form of a pattern; its first literal word is kept in lower case."""
    items: list[str | Slot] = []
    for i, word in enumerate(source.split()):
        match = SLOT.match(word)
        if not match:
            word = "a" if word == "an" else word
            items.append(word[:1].lower() + word[1:] if i == 0 else word)
            continue
        name = match.group(1)
        if name == "same":
            items.append(Slot("thing", same=True))
        else:
            items.append(Slot(name.removeprefix("main."), main=name.startswith("main.")))
    return Pattern(part, owner, tuple(items), source)


@cache
def patterns() -> tuple[Pattern, ...]:
    """Every sentence pattern of the world except the titles."""
    lex = lexicon()
    common = [parse_pattern(part, None, line) for part, lines in lex.frames.items() for line in lines]
    own = [parse_pattern("own", c.name, line) for c in lex.concepts.values() for line in c.patterns]
    return tuple(common + own)


def _symbol(slot: Slot, subject: str, gender: int, other: str) -> str:
    if slot.kind == SUBJECT or slot.kind == NAME:
        return subject
    if slot.kind == OTHER:
        return other
    if slot.kind in GENDERED:
        return GENDERED[slot.kind][gender]
    return f"<{slot.kind}>"


def signatures(pattern: Pattern) -> Iterator[Signature]:
    """The signatures of a pattern: one for each gender of its characters and name or pronoun as subject."""
    subjects = [("<female>", 0), ("<male>", 1)]
    if pattern.has_subject:
        subjects += [("she", 0), ("he", 1)]
    elif not pattern.has(NAME):
        subjects = [("", 0)]
    others = ["<female>", "<male>"] if pattern.has_other else [""]
    for subject, gender in subjects:
        for other in others:
            yield tuple(
                item if isinstance(item, str) else _symbol(item, subject, gender, other)
                for item in pattern.items
            )


def signature_of(words: Sequence[str], lex: Lexicon | None = None) -> Signature:
    """The signature of a sentence whose first word has lost its capital. A wrong a/an never matches."""
    entries = (lex or lexicon()).entries
    result = []
    for i, word in enumerate(words):
        entry = entries.get(word)
        if entry is not None:
            result.append(f"<{entry.kind}>")
        elif word in ("a", "an") and i + 1 < len(words):
            result.append("a" if (word == "an") == takes_an(words[i + 1]) else "*" + word)
        else:
            result.append("a" if word == "an" else word)
    return tuple(result)


@cache
def signature_table() -> Mapping[Signature, tuple[Pattern, ...]]:
    """Signature -> the patterns that have it (several only where different concepts own them)."""
    table: dict[Signature, list[Pattern]] = defaultdict(list)
    for pattern in patterns():
        for signature in signatures(pattern):
            table[signature].append(pattern)
    return {signature: tuple(found) for signature, found in table.items()}
