"""Texts on request: stories about one concept, stories without it, prompts that ask for it, plain openings.

Deterministic: the same name gives the same texts on every machine. Knows the generator, not models.
"""

import random
import zlib
from collections.abc import Collection, Mapping
from functools import cache

from saesteer.text.concept import Concept
from saesteer.world.chance import Chance, Dist, T
from saesteer.world.story import HIDDEN, P_NEUTRAL, State, Story, Teller, tell, title_words
from saesteer.world.surface import join
from saesteer.world.words import REGISTERS, TOPICS, lexicon

TEXTS = 64  # contrasting texts of each kind
POSITIVE_SEED, NEGATIVE_SEED, OPENING_SEED, PREFIX_SEED = 31_000_000, 32_000_000, 33_000_000, 34_000_000


class _Focused(Chance):
    """Chance that keeps to one concept wherever the story could leave it."""

    def __init__(self, rng: random.Random, concept: str):
        super().__init__(rng, HIDDEN)
        self.hidden = concept if concept in REGISTERS else "plain"
        self.kinds = Dist({"neutral": P_NEUTRAL, concept if concept in REGISTERS else "topic": 1 - P_NEUTRAL})
        self.topic = concept if concept in TOPICS else rng.choice(TOPICS)

    def draw_hidden(self, dists: Mapping[str, Dist[T]], given: T | None = None, what: str = "") -> T:
        if what == "register":
            return self.kinds.sample(self.rng)  # type: ignore[return-value]
        return super().draw_hidden(dists, given, what)

    def draw(self, dist: Dist[T], given: T | None = None, without: Collection[T] = (), what: str = "") -> T:
        return self.topic if what == "topic" else super().draw(dist, given, without, what)  # type: ignore[return-value]


def story_about(concept: str, seed: int) -> Story:
    """An untitled story whose body keeps to one concept, but for a neutral sentence now and then."""
    lexicon()[concept]
    chance = _Focused(random.Random(seed * 64 + zlib.crc32(concept.encode()) % 64), concept)
    teller = Teller(chance)
    teller.state = State(topic=chance.topic)
    sentences = [teller.opening()]
    while not teller.closes():
        sentences.append(teller.body())
    sentences.append(teller.closing())
    return Story(tuple(sentences), float("nan"))


@cache
def stories_without(concept: str, count: int) -> tuple[str, ...]:
    """Ordinary stories, untitled, none of whose sentences expresses the concept."""
    texts: list[str] = []
    seed = NEGATIVE_SEED + zlib.crc32(concept.encode()) % 100_000 * 10
    while len(texts) < count:
        story = tell(seed)
        seed += 1
        titled = story.sentences[0].reading.part == "title"
        if not titled and all(concept not in s.concepts for s in story.sentences):
            texts.append(story.text)
    return tuple(texts)


def openings(count: int, first_seed: int = OPENING_SEED) -> list[str]:
    """Different neutral openings: the prompts of the steering experiments."""
    found: dict[str, None] = {}
    seed = first_seed
    while len(found) < count:
        teller = Teller(Chance(random.Random(seed), HIDDEN))
        teller.title(untitled=True)
        found.setdefault(join(teller.opening().words))
        seed += 1
    return list(found)


def _plain_sentences(concept: str, count: int) -> list[str]:
    """Sentences that express the concept and name no character, so that they fit behind any opening."""
    found: dict[str, None] = {}
    seed = PREFIX_SEED
    while len(found) < count:
        for sentence in story_about(concept, seed).sentences:
            pattern = sentence.reading.pattern
            free = pattern is not None and not any(pattern.has(k) for k in ("Who", "other", "town"))
            if concept in sentence.concepts and free and not sentence.reading.connective:
                found.setdefault(join(sentence.words))
        seed += 1
    return list(found)[:count]


@cache
def prefixes(concept: str) -> tuple[str, ...]:
    """Prompts that ask for a concept, `{prompt}` standing for the plain prompt: titles, topical sentences,
    both.
    """
    lex = lexicon()
    rng = random.Random(zlib.crc32(concept.encode()))
    forms = lex.titles[concept] if concept in REGISTERS else lex.titles["plain"]
    topics = rng.sample(TOPICS, 2) if concept in REGISTERS else [concept]
    titles = [join(title_words(form, topic)) for topic in topics for form in forms][:4]
    lines = _plain_sentences(concept, 10)
    single = [f"{{prompt}} {line}" for line in lines[:4]]
    both = [f"{title} {{prompt}} {line}" for title, line in zip(titles, lines[4:7], strict=False)]
    several = [f"{titles[i % len(titles)]} {{prompt}} {' '.join(lines[i : i + 3])}" for i in (0, 3, 6)]
    return (*(f"{title} {{prompt}}" for title in titles), *single, *both, *several)


@cache
def world_concept(name: str) -> Concept:
    """A concept of the world with its contrasting texts and its prompts."""
    words = lexicon()[name]
    return Concept(
        name=f"world/{name}",
        description=words.description,
        positive=tuple(story_about(name, POSITIVE_SEED + i).text for i in range(TEXTS)),
        negative=stories_without(name, TEXTS),
        labels=(name,),
        prefixes=prefixes(name),
    )
