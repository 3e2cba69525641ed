"""The best that any reader of a prefix could know: P(this sentence expresses concept c | the story up to and
including this token).

The ceiling for every token-level probe and latent. Exact: it enumerates what the generator could have been
about to say.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from saesteer.world.chance import Chance
from saesteer.world.patterns import GENDERED, OTHER, SUBJECT, Pattern
from saesteer.world.story import (
    CLOSE,
    HIDDEN,
    KIND,
    SHARED_REGISTER,
    SHARED_TOPIC,
    SUBJECTS,
    Sentence,
    State,
    Story,
    Teller,
    _next_topic,
    connective_dist,
    gender_of,
    pattern_dist,
    word_dist,
)
from saesteer.world.surface import mend_articles
from saesteer.world.words import CONCEPTS, lexicon

COLUMN = {concept: i for i, concept in enumerate(CONCEPTS)}


@dataclass
class _Candidate:
    """Something the generator may be saying: its probability so far and what it still has to say."""

    p: float
    concepts: tuple[str, ...]
    concept: str | None
    pattern: Pattern
    connective: tuple[str, ...]


def token_posteriors(story: Story) -> list[Float[np.ndarray, "words concepts"]]:
    """For each sentence of a story, for each of its words, the probability of every concept (columns as
    CONCEPTS).
    """
    teller = Teller(Chance(random.Random(0), HIDDEN))
    sentences = list(story.sentences)
    result = []
    if sentences[0].reading.part == "title":
        title = sentences.pop(0)
        teller.title(title.reading)
        result.append(_certain(title))
    else:
        teller.title(untitled=True)
    for sentence in sentences:
        reading = sentence.reading
        if reading.part == "opening":
            result.append(_certain(sentence))
            teller.opening(reading)
            continue
        result.append(_posterior(sentence, teller))
        teller.closes(reading.part == "closing")
        (teller.closing if reading.part == "closing" else teller.body)(reading)
    return result


def _certain(sentence: Sentence) -> np.ndarray:
    table = np.zeros((len(sentence.words), len(CONCEPTS)))
    for concept in sentence.concepts:
        table[:, COLUMN[concept]] = 1.0
    return table


def _candidates(teller: Teller, first: str) -> Iterator[_Candidate]:
    state = teller.state
    closing = CLOSE[state.body].p.get(True, 0.0)
    pair = len(state.cast) == 2
    if closing:
        for pattern, p in pattern_dist("closing", None, pair, False, state.topic is not None).p.items():
            yield _Candidate(closing * p, (), None, pattern, ())
    for part, concept, prior in _parts(teller, 1 - closing):
        same = state.last_thing is not None and lexicon().entries[state.last_thing].owner == concept
        dist = pattern_dist(part, concept, pair, same and concept is not None, state.topic is not None)
        for (connective, _), q in connective_dist(concept, state.time).p.items():
            opening = tuple(connective.split())
            if opening and opening[0] != first:
                continue
            for pattern, p in dist.p.items():
                topic = state.topic if pattern.has_main else None
                concepts = tuple(c for c in (concept, topic) if c)
                yield _Candidate(prior * q * p, concepts, concept, pattern, opening)


def _parts(teller: Teller, remaining: float) -> Iterator[tuple[str, str | None, float]]:
    kinds: dict[str, float] = {}
    for register, weight in teller.chance.weights.items():
        for kind, p in KIND[register].p.items():
            kinds[kind] = kinds.get(kind, 0.0) + weight * p * remaining
    for kind, p in kinds.items():
        if kind == "neutral":
            yield "neutral", None, p
        elif kind == "topic":
            for topic, q in _next_topic(teller.state.topic).p.items():
                yield from ((part, topic, p * q * s) for part, s in SHARED_TOPIC.p.items())
        else:
            yield from ((part, kind, p * s) for part, s in SHARED_REGISTER.p.items())


def _posterior(sentence: Sentence, teller: Teller) -> np.ndarray:
    words = list(sentence.words)
    if words[0] not in lexicon().entries:
        words[0] = words[0][:1].lower() + words[0][1:]
    alive = [(c, _Speech(c, teller.state)) for c in _candidates(teller, words[0])]
    table = np.zeros((len(words), len(CONCEPTS)))
    for i, word in enumerate(words):
        following = words[i + 1] if i + 1 < len(words) else None
        kept = []
        for candidate, speech in alive:
            candidate.p *= speech.say(i, word, following)
            if candidate.p > 0:
                kept.append((candidate, speech))
        alive = kept
        total = sum(c.p for c, _ in alive)
        for candidate, _ in alive:
            for concept in candidate.concepts:
                table[i, COLUMN[concept]] += candidate.p / total
    return table


class _Speech:
    """How likely each next word is, for one candidate."""

    def __init__(self, candidate: _Candidate, state: State):
        self.c, self.state = candidate, state
        self.used: set[str] = set()
        self.head = True
        self.subject = ""

    def say(self, i: int, word: str, following: str | None) -> float:
        c, state = self.c, self.state
        lead = c.connective
        if i < len(lead):
            return float(word == lead[i])
        at = i - len(lead)
        if at >= len(c.pattern.items):
            return 0.0
        item = c.pattern.items[at]
        if isinstance(item, str):
            return float(word == item or (item == "a" and mend_articles(["a", following or "x"])[0] == word))
        if item.kind == SUBJECT:
            return self._subject(word)
        if item.kind == OTHER:
            present = self.subject or state.focus
            return float(word in state.cast and word != present)
        if item.kind in GENDERED:
            return float(word == GENDERED[item.kind][gender_of(self.subject) == "male"])
        if item.kind == "town":
            return float(word == state.town)
        if item.same:
            self.head = False
            self.used.add(word)
            return float(word == state.last_thing)
        owner = state.topic if item.main else c.concept
        own = item.main or c.pattern.part == "own" or (item.topical and self.head)
        dist = word_dist(item.kind, owner, own)
        p = 0.0 if word in self.used else dist.p.get(word, 0.0)
        p /= 1 - sum(dist.p.get(w, 0.0) for w in self.used)
        self.used.add(word)
        self.head = self.head and not item.topical
        return p

    def _subject(self, word: str) -> float:
        state = self.state
        others: Sequence[str] = [name for name in state.cast if name != state.focus]
        pronoun = "he" if gender_of(state.focus) == "male" else "she"
        p = SUBJECTS[bool(others)].p
        if word == pronoun:
            self.subject = state.focus
            return p["pronoun"]
        if word == state.focus:
            self.subject = word
            return p["same"]
        if word in others:
            self.subject = word
            return p["other"]
        return 0.0
