"""Reading the world's language: is this sentence well formed, and which concepts does it express?

Exact: a sentence is read by its signature, so there is no model, no threshold and no guess. Knows the
grammar, not stories.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from saesteer.world.patterns import Pattern, Signature, Slot, signature_of, signature_table
from saesteer.world.story import Reading, title_table
from saesteer.world.surface import split_sentences, split_words
from saesteer.world.words import REGISTERS, TOPICS, lexicon


@dataclass(frozen=True)
class Verdict:
    """One sentence as it was found: `reading` is None where it is not well formed."""

    text: str
    reading: Reading | None
    words_of: Mapping[str, int]  # concept -> how many of its own words the sentence has

    @property
    def well_formed(self) -> bool:
        return self.reading is not None

    @property
    def concepts(self) -> tuple[str, ...]:
        return self.reading.concepts if self.reading else ()

    def leans_to(self, concept: str) -> bool:
        """Lenient behaviour: most of the sentence's concept words belong to this concept, whatever its
        grammar.
        """
        own = self.words_of.get(concept, 0)
        return own > 0 and 2 * own > sum(self.words_of.values())


@dataclass(frozen=True)
class TextVerdict:
    """All sentences of a text. A tail that was cut off counts only where it could not become a sentence."""

    sentences: tuple[Verdict, ...]

    def share(self, keep: Sequence[bool]) -> float:
        return sum(keep) / len(self.sentences) if self.sentences else 0.0

    @property
    def coherence(self) -> float:
        """Share of well-formed sentences; 0 for a text without any."""
        return self.share([v.well_formed for v in self.sentences])

    def behaviour(self, concepts: Sequence[str]) -> float:
        """Share of sentences that are well formed and express one of these concepts."""
        return self.share([bool(set(v.concepts) & set(concepts)) for v in self.sentences])

    def lenient(self, concepts: Sequence[str]) -> float:
        return self.share([any(v.leans_to(c) for c in concepts) for v in self.sentences])

    def grade(self) -> int:
        """The worst insult in the text: 0 none, 1 teasing, 2 rude, 3 vicious."""
        grades = lexicon()["insults"].grades
        return max((grades.get(w, 0) for v in self.sentences for w in split_words(v.text)), default=0)


def read_sentence(text: str) -> Reading | None:
    """Read one sentence; None where the grammar does not have it."""
    titled = title_table().get(text)
    if titled:
        return Reading("title", None, topic=titled[1], title=titled[0])
    words = _uncapitalised(split_words(text))
    for connective, rest in _after_connective(words):
        for pattern in signature_table().get(signature_of(rest), ()):
            reading = _reading(pattern, rest, connective)
            if reading:
                return reading
    return None


def judge_text(text: str) -> TextVerdict:
    """Judge a text sentence by sentence."""
    finished, tail = split_sentences(text)
    verdicts = [Verdict(s, read_sentence(s), _count_words(s)) for s in finished]
    if tail and not can_become_sentence(tail):
        verdicts.append(Verdict(tail, None, _count_words(tail)))
    return TextVerdict(tuple(verdicts))


def can_become_sentence(tail: str) -> bool:
    """Whether a sentence that was cut off, perhaps inside a word, begins like one of the grammar's."""
    tail = tail.removesuffix("'")
    words = split_words(tail)
    if not words or any(title.startswith(tail) for title in title_table()):
        return True
    partial = tail[-1:].isalpha()
    return any(_goes_on(form, partial) for form in (words, _uncapitalised(words)))


def _goes_on(words: Sequence[str], partial: bool) -> bool:
    if any(_begins(words, c.split(), partial) for c in _connectives().values()):
        return True
    return any(_is_prefix(rest, partial) for _, rest in _after_connective(words))


def _begins(words: Sequence[str], whole: Sequence[str], partial: bool) -> bool:
    if len(words) > len(whole) or list(words[:-1]) != list(whole[: len(words) - 1]):
        return False
    last = whole[len(words) - 1]
    return last.startswith(words[-1]) if partial else last == words[-1]


def _is_prefix(words: Sequence[str], partial: bool) -> bool:
    if not words:
        return True
    settled = words[:-1] if partial else words
    owners = {e.owner for w in settled if (e := lexicon().entries.get(w)) and e.owner}
    if len(owners - set(REGISTERS)) > 1:
        return False
    following = _following()
    signature = signature_of(words)
    if signature[-1] in following.get(signature[:-1], ()):
        return True
    if not partial:
        return False
    open_symbols = following.get(_article_free(signature[:-1]), frozenset())
    return any(_could_be(symbol, words[-1]) for symbol in open_symbols)


def _article_free(signature: Signature) -> Signature:
    """An article before an unfinished word cannot be judged yet."""
    return tuple("a" if symbol in ("*a", "*an") else symbol for symbol in signature)


def _could_be(symbol: str, start: str) -> bool:
    if not symbol.startswith("<"):
        return symbol.startswith(start)
    return any(word.startswith(start) for word in _words_by_class()[symbol[1:-1]])


@cache
def _words_by_class() -> Mapping[str, tuple[str, ...]]:
    table: dict[str, list[str]] = defaultdict(list)
    for word, entry in lexicon().entries.items():
        table[entry.kind].append(word)
    return {kind: tuple(words) for kind, words in table.items()}


@cache
def _following() -> Mapping[Signature, frozenset[str]]:
    """Beginning of a signature -> the symbols that can follow it."""
    table: dict[Signature, set[str]] = defaultdict(set)
    for signature in signature_table():
        for i, symbol in enumerate(signature):
            table[signature[:i]].add(symbol)
    return {prefix: frozenset(symbols) for prefix, symbols in table.items()}


@cache
def _connectives() -> Mapping[tuple[str, ...], str]:
    return {tuple(split_words(c)): c for table in lexicon().connectives.values() for c in table}


def _after_connective(words: Sequence[str]) -> list[tuple[str | None, list[str]]]:
    """The sentence as it is, and, where it begins with a connective, what follows it."""
    result: list[tuple[str | None, list[str]]] = [(None, list(words))]
    for length in range(1, min(6, len(words)) + 1):
        connective = _connectives().get(tuple(words[:length]))
        if connective:
            result.append((connective, list(words[length:])))
    return result


def _uncapitalised(words: list[str]) -> list[str]:
    if not words or words[0] in lexicon().entries:
        return words
    return [words[0][:1].lower() + words[0][1:], *words[1:]]


def _reading(pattern: Pattern, words: Sequence[str], connective: str | None) -> Reading | None:
    """The reading of words whose signature is the pattern's, if their owners agree."""
    entries = lexicon().entries
    filled = [(item, w) for item, w in zip(pattern.items, words, strict=True) if isinstance(item, Slot)]
    values = tuple(w for _, w in filled)
    lexical = [w for w in values if w in entries]
    if len(set(lexical)) < len(lexical) or (connective and pattern.part in ("opening", "closing")):
        return None
    own = [entries[w].owner for slot, w in filled if slot.topical and not slot.main]
    mains = {entries[w].owner for slot, w in filled if slot.main}
    topic = next(iter(mains), None)
    if mains and (len(mains) > 1 or topic not in TOPICS):
        return None
    concept: str | None = None
    if pattern.part == "own":
        concept = pattern.owner
        if any(owner != concept for owner in own):
            return None
    elif pattern.part == "shared":
        concept = own[0]
        if concept is None or not set(own) <= {concept, None}:
            return None
    if concept in TOPICS:
        topic = concept
    return Reading(pattern.part, pattern, concept, topic, connective, values)


def _count_words(text: str) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for word in split_words(text):
        entry = lexicon().entries.get(word) or lexicon().entries.get(word.lower())
        if entry and entry.owner:
            counts[entry.owner] += 1
    return dict(counts)
