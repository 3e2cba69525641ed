"""Questions with one right answer about stories of the world: which sentence is well formed, which one fits?

What a steered model can lose. Each item is a story so far and sentences that could come next; the world's own
grammar and memory say which of them is right. Knows stories, not models and not the harness that asks.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from saesteer.world.continuity import slips
from saesteer.world.patterns import GENDERED, OTHER, SUBJECT
from saesteer.world.reading import read_sentence
from saesteer.world.story import Reading, Sentence, Story, connective_times, tell
from saesteer.world.surface import join
from saesteer.world.words import lexicon

GRAMMAR_SEED, FACTS_SEED = 41_000_000, 42_000_000
WRONG: Final = 3
"""Ill-formed sentences beside the right one."""
_TRIES: Final = 60
PRONOUNS: Final = {"she": "he", "he": "she"}


@dataclass(frozen=True)
class Question:
    """A story so far and what could come next."""

    context: str
    choices: tuple[str, ...]
    answer: int
    """Which of them is right."""
    kind: str
    """What is wrong with the others: order, word; name, pronoun, town, time."""


def grammar_questions(n: int = 200, seed: int = 0) -> list[Question]:
    """A well-formed sentence beside three of as many words that are not: two words have changed places
    (`order`), or a word stands where its class cannot (`word`), by turns.
    """
    return _asked(n, GRAMMAR_SEED + 100_000 * seed, _grammar_question)


def facts_questions(n: int = 200, seed: int = 0) -> list[Question]:
    """What was told beside what contradicts it, both well formed: another name than those of the story
    (`name`), the other pronoun, another town, or an earlier time of the day; the four by turns.
    """
    return _asked(n, FACTS_SEED + 100_000 * seed, _facts_question)


def _asked(n: int, seed: int, make: Callable[[Story, int, random.Random], Question | None]) -> list[Question]:
    """One question of each story that gives one, until there are n; `make` knows which number it is."""
    found: list[Question] = []
    while len(found) < n:
        question = make(tell(seed), len(found), random.Random(seed))
        found += [] if question is None else [question]
        seed += 1
    return found


# Grammar


def _grammar_question(story: Story, number: int, rng: random.Random) -> Question | None:
    kind = ("order", "word")[number % 2]
    place = rng.randrange(1, len(story.sentences))
    words = story.sentences[place].words
    spoil = _swapped if kind == "order" else _misplaced
    wrong: dict[str, None] = {}
    for _ in range(_TRIES):
        text = join(spoil(words, rng))
        if text != join(words) and read_sentence(text) is None:
            wrong[text] = None
        if len(wrong) == WRONG:
            return _shuffled(story, place, list(wrong), kind, rng)
    return None


def _swapped(words: Sequence[str], rng: random.Random) -> list[str]:
    """Two neighbours the other way round; the first word and the end mark stay."""
    found = list(words)
    if len(found) > 3:
        at = rng.randrange(1, len(found) - 2)
        found[at], found[at + 1] = found[at + 1], found[at]
    return found


def _misplaced(words: Sequence[str], rng: random.Random) -> list[str]:
    """A word of the lexicon in place of another of a different class."""
    found, entries = list(words), lexicon().entries
    places = [at for at, word in enumerate(words) if at and word in entries]
    if places:
        at = rng.choice(places)
        found[at] = rng.choice([word for word in entries if entries[word].kind != entries[found[at]].kind])
    return found


# Facts

Change = tuple[int, str]
"""The number of a word, and what stands there instead."""


def _facts_question(story: Story, number: int, rng: random.Random) -> Question | None:
    kind = ("name", "pronoun", "town", "time")[number % 4]
    readings = [sentence.reading for sentence in story.sentences]
    places = list(range(1, len(story.sentences)))
    rng.shuffle(places)
    for place in places:
        changes = list(_CHANGES[kind](story.sentences[place], rng))
        rng.shuffle(changes)
        for words in changes:
            text = join(words)
            if _contradicts(text, readings[:place], kind):
                return _shuffled(story, place, [text], kind, rng)
    return None


def _contradicts(text: str, before: Sequence[Reading], kind: str) -> bool:
    """Whether a sentence is well formed, and wrong in this and nothing else."""
    reading = read_sentence(text)
    return reading is not None and slips([*before, reading]) == [kind]


def _values(sentence: Sentence) -> Iterator[tuple[str, str]]:
    """Kind and word of each slot."""
    pattern = sentence.reading.pattern
    if pattern is not None:
        yield from zip((slot.kind for slot in pattern.slots), sentence.reading.values, strict=True)


def _replaced(sentence: Sentence, old: str, new: str) -> tuple[str, ...]:
    """The word changed wherever it stands, with a capital where it had one."""
    both = {old: new, old[:1].upper() + old[1:]: new[:1].upper() + new[1:]}
    return tuple(both.get(word, word) for word in sentence.words)


def _other_names(sentence: Sentence, rng: random.Random) -> Iterator[Sequence[str]]:
    names = lexicon().names
    for kind, word in _values(sentence):
        alike = next((names[each] for each in ("female", "male") if word in names[each]), ())
        if kind in (SUBJECT, OTHER) and alike:
            for new in rng.sample(list(alike), min(3, len(alike))):
                yield _replaced(sentence, word, new)


def _other_pronouns(sentence: Sentence, rng: random.Random) -> Iterator[Sequence[str]]:
    """With what agrees with it: his for her."""
    for kind, word in _values(sentence):
        if kind == SUBJECT and word in PRONOUNS:
            swap = {word: PRONOUNS[word]}
            for female, male in GENDERED.values():
                swap |= {female: male} if word == "she" else {male: female}
            swap |= {old.capitalize(): new.capitalize() for old, new in swap.items()}
            yield tuple(swap.get(each, each) for each in sentence.words)


def _other_towns(sentence: Sentence, rng: random.Random) -> Iterator[Sequence[str]]:
    for kind, word in _values(sentence):
        if kind == "town":
            for new in rng.sample(list(lexicon().names["town"]), 3):
                yield _replaced(sentence, word, new)


def _earlier_times(sentence: Sentence, rng: random.Random) -> Iterator[Sequence[str]]:
    told = sentence.reading.connective
    now = connective_times().get(told or "", 0)
    earlier = [each for each, time in connective_times().items() if time < now]
    if told and earlier:
        rest = sentence.words[len(told.split()) :]
        for each in rng.sample(earlier, min(3, len(earlier))):
            words = each.split()
            yield (words[0][:1].upper() + words[0][1:], *words[1:], *rest)


_CHANGES: Final[dict[str, Callable[[Sentence, random.Random], Iterator[Sequence[str]]]]] = {
    "name": _other_names,
    "pronoun": _other_pronouns,
    "town": _other_towns,
    "time": _earlier_times,
}


def _shuffled(story: Story, place: int, wrong: Sequence[str], kind: str, rng: random.Random) -> Question:
    """The question at that sentence, the right answer at a random place."""
    right = join(story.sentences[place].words)
    answer = rng.randrange(len(wrong) + 1)
    choices = [*wrong[:answer], right, *wrong[answer:]]
    context = " ".join(join(sentence.words) for sentence in story.sentences[:place])
    return Question(context, tuple(choices), answer, kind)
