"""Questions that take a memory, with choices that differ in more than what decides: who, whom and where?

Each choice is a sentence of its own, so that one is likelier than the other whatever was told; what is known
of the story has to outweigh that. Neither has a word of any concept: who makes such words likelier makes no
choice likelier. The questions come in pairs: the same two choices after the same story with
two words exchanged (two persons, or a town and another), where the other choice is right. Who does not read
the story is right once in each pair, whatever he likes to say.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from itertools import combinations
from typing import Final

from saesteer.errors import InputError
from saesteer.world.chance import Chance
from saesteer.world.continuity import slips
from saesteer.world.patterns import GENDERED
from saesteer.world.questions import PRONOUNS, Question
from saesteer.world.reading import read_sentence
from saesteer.world.story import HIDDEN, Reading, Sentence, State, Teller, gender_of
from saesteer.world.surface import join
from saesteer.world.words import lexicon

SEED: Final = 43_000_000
APART: Final = (7.0, 12.0)
"""By how many nats the choices' own likelihoods differ, at least and at most."""
_LONGEST: Final = 10
"""Sentences between the opening and the question."""
_TRIES: Final = 80
Words = tuple[str, ...]
Swap = Mapping[str, str]


def tracking_questions(n: int = 600, seed: int = 0) -> list[Question]:
    """Two choices each, in pairs, so that `n` is even; by turns of pairs: one of the story's persons beside
    somebody else (`name`), the one who is meant beside the other (`other`), she beside he (`pronoun`), the
    story's town beside another (`town`).
    """
    if n < 2 or n % 2:
        raise InputError(f"questions of this kind come in pairs, got {n}; give an even number from 2")
    kinds, at = tuple(_SWAPS), SEED + 100_000 * seed
    found: list[Question] = []
    while len(found) < n:
        found += _pair(random.Random(at), kinds[len(found) // 2 % len(kinds)])
        at += 1
    return found


def _pair(rng: random.Random, kind: str) -> list[Question]:
    """Both questions about one place of a story; nothing where it has no such place."""
    sentences, teller = _begun(rng)
    swap = _SWAPS[kind](teller.state, rng) if teller else {}
    if teller is None or not swap:
        return []
    told = [each.reading for each in sentences]
    said = [
        (words, logp)
        for words, logp in _said(teller, rng)
        if _exchanged(words, swap) != words and _contradicts(told, _exchanged(words, swap))
    ]
    for (one, logp), (other, its) in combinations(said, 2):
        if APART[0] <= abs(logp - its) <= APART[1]:
            before = [each.words for each in sentences]
            after = [_exchanged(each, swap) for each in before]
            choices = [join(one), join(_exchanged(other, swap))]
            answers = [0, 1]
            if rng.randrange(2):
                choices, answers = choices[::-1], [1, 0]
            return [
                Question(" ".join(map(join, context)), tuple(choices), answer, kind)
                for context, answer in zip((before, after), answers, strict=True)
            ]
    return []


def _contradicts(told: Sequence[Reading], words: Words) -> bool:
    """Whether a sentence is well formed and does not agree with what was told."""
    reading = read_sentence(join(words))
    return reading is not None and bool(slips([*told, reading]))


def _begun(rng: random.Random) -> tuple[list[Sentence], Teller | None]:
    """A story up to a sentence of its body that is not told yet; None where it ended before."""
    teller = Teller(Chance(rng, HIDDEN))
    title = teller.title()
    sentences = [title] if title else []
    sentences.append(teller.opening())
    for _ in range(rng.randrange(1, _LONGEST + 1)):
        if teller.closes():
            return [], None
        sentences.append(teller.body())
    return sentences, None if teller.closes() else teller


def _said(teller: Teller, rng: random.Random) -> Iterator[tuple[Words, float]]:
    """Neutral sentences that could come next, with their log-probabilities in nats."""
    for _ in range(_TRIES):
        branch = copy(teller)
        branch.state, branch.chance = copy(teller.state), copy(teller.chance)
        branch.state.cast, branch.chance.rng = list(teller.state.cast), rng
        words = branch.body(kind="neutral").words
        yield words, branch.chance.logp - teller.chance.logp


# What is exchanged


def _name(state: State, rng: random.Random) -> Swap:
    person = rng.choice(state.cast)
    names = [each for each in lexicon().names[gender_of(person)] if each not in state.cast]
    return _both({person: rng.choice(names)})


def _other(state: State, rng: random.Random) -> Swap:
    genders = [gender_of(name) for name in state.cast]
    return _both(dict([state.cast])) if len(genders) == 2 and len(set(genders)) == 1 else {}


def _pronoun(state: State, rng: random.Random) -> Swap:
    genders = {gender_of(name) for name in state.cast}
    return _both({**dict([state.cast]), **PRONOUNS, **dict(GENDERED.values())}) if len(genders) == 2 else {}


def _town(state: State, rng: random.Random) -> Swap:
    names = [each for each in lexicon().names["town"] if each != state.town]
    return _both({state.town: rng.choice(names)}) if state.town else {}


_SWAPS: Final[dict[str, Callable[[State, random.Random], Swap]]] = {
    "name": _name,
    "other": _other,
    "pronoun": _pronoun,
    "town": _town,
}


def _both(words: Swap) -> Swap:
    return {**words, **{new: old for old, new in words.items()}}


def _exchanged(words: Words, swap: Swap) -> Words:
    """With a capital where there was one."""
    both = {**swap, **{old[:1].upper() + old[1:]: new[:1].upper() + new[1:] for old, new in swap.items()}}
    return tuple(both.get(word, word) for word in words)
