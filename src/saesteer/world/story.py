"""How a story is made: title, opening, body, closing; topics that persist, a cast, a town, the time of day.

One process serves both directions: `tell` draws a story, `retell` walks through one that was read and gives
its exact log-probability. Knows patterns and chance, not tokens or models.
"""

import random
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from saesteer.world.chance import Chance, Dist, Impossible
from saesteer.world.patterns import GENDERED, NAME, OTHER, SUBJECT, Pattern, patterns
from saesteer.world.surface import capitalised, join, mend_articles
from saesteer.world.words import REGISTERS, TOPICS, lexicon

# The shape of the world. Every number is a design choice; docs/world.md gives the reasons.
P_TITLE = 0.3
P_REGISTER = {"plain": 0.55, "insults": 0.15, "archaic": 0.15, "polite": 0.15}
P_REGISTER_SENTENCE = 0.3
P_NEUTRAL = 0.1
P_STAY = 0.93
P_SHARED_TOPIC, P_SHARED_REGISTER = 0.65, 0.4
P_GENERIC_WORD = 0.15
P_CLOSE = (0, 0, 0, 0.1, 0.12, 0.14, 0.16, 0.18, 0.22, 0.28, 0.4, 0.6, 1.0)  # before the n-th body sentence
P_CONNECTIVE = {"none": 0.5, "sequence": 0.35, "time": 0.15}
P_SUBJECT = {True: {"pronoun": 0.5, "same": 0.2, "other": 0.3}, False: {"pronoun": 0.6, "same": 0.4}}
TIMES = ("morning", "afternoon", "evening", "night")
FAVOURED, FAVOUR = 4, 4.0  # one generic word or frame in four is favoured fourfold by a given concept


@dataclass(frozen=True)
class Reading:
    """One sentence taken apart: which pattern, whose words, and what stands in every slot."""

    part: str  # title, opening, neutral, shared, own, closing
    pattern: Pattern | None
    concept: str | None = None  # the owner of the concept words
    topic: str | None = None  # the topic of `main` slots, of topical sentences and of titles
    connective: str | None = None
    values: tuple[str, ...] = ()  # words in the slots, in order
    title: str | None = None

    @property
    def concepts(self) -> tuple[str, ...]:
        """The concepts that the sentence expresses."""
        return tuple(dict.fromkeys(c for c in (self.concept, self.topic) if c is not None))


@dataclass(frozen=True)
class Sentence:
    """One sentence of a story: its words as printed, and its reading."""

    words: tuple[str, ...]
    reading: Reading

    @property
    def concepts(self) -> tuple[str, ...]:
        return self.reading.concepts


@dataclass(frozen=True)
class Story:
    """A whole story with its exact log-probability (nats, the register summed over)."""

    sentences: tuple[Sentence, ...]
    logp: float

    @property
    def text(self) -> str:
        return " ".join(join(sentence.words) for sentence in self.sentences)


@dataclass
class State:
    """What the rest of the story depends on."""

    topic: str | None = None
    cast: list[str] = field(default_factory=list)
    focus: str = ""
    town: str = ""
    time: int = 0
    last_thing: str | None = None
    body: int = 0


def _favour(concept: str | None, item: str) -> float:
    chosen = concept is not None and zlib.crc32(f"{concept}:{item}".encode()) % FAVOURED == 0
    return FAVOUR if chosen else 1.0


@cache
def gender_of(name: str) -> str:
    return lexicon().entries[name].kind


@cache
def word_dist(kind: str, concept: str | None, head: bool) -> Dist[str]:
    """Words for a slot. The `head` slot of a sentence always takes a word of the concept's own."""
    lex = lexicon()
    generic = {
        w: _favour(concept, w) / (i + 6)
        for i, w in enumerate(lex.generic.get(kind) or lex.names.get(kind, ()))
    }
    if concept is None or kind not in lex[concept].classes:
        return Dist(generic)
    own = {w: 1 / (i + 6) for i, w in enumerate(lex[concept].classes[kind])}
    if head or not generic:
        return Dist(own)
    share = P_GENERIC_WORD / (1 - P_GENERIC_WORD) * sum(own.values()) / sum(generic.values())
    return Dist(own | {w: share * weight for w, weight in generic.items()})


@cache
def pattern_dist(part: str, concept: str | None, pair: bool, same: bool, main: bool) -> Dist[Pattern]:
    """Patterns that can stand here: `pair`: the cast has two; `same`: a thing was mentioned; `main`: the
    topic is known.
    """
    usable = {
        p: _favour(concept, p.source)
        for p in patterns()
        if p.part == part
        and (p.owner is None or p.owner == concept)
        and (pair or not p.has_other or part == "opening")
        and (same or not p.has_same)
        and (main or not p.has_main)
    }
    return Dist(usable)


@cache
def connective_dist(concept: str | None, time: int) -> Dist[tuple[str, int]]:
    """Connectives and the time of day after them; time never runs backwards."""
    table = lexicon().connectives
    weights: dict[tuple[str, int], float] = {("", time): P_CONNECTIVE["none"]}
    sequence = {c: _favour(concept, c) for c in table["sequence"]}
    for c, weight in sequence.items():
        weights[c, time] = P_CONNECTIVE["sequence"] * weight / sum(sequence.values())
    later = [(c, t) for t in range(time, len(TIMES)) for c in table[TIMES[t]]]
    for c, t in later:
        weights[c, t] = P_CONNECTIVE["time"] / len(later)
    return Dist(weights)


KIND = {
    r: Dist(
        {"neutral": P_NEUTRAL, "topic": 1 - P_NEUTRAL}
        if r == "plain"
        else {"neutral": P_NEUTRAL, "topic": 1 - P_NEUTRAL - P_REGISTER_SENTENCE, r: P_REGISTER_SENTENCE}
    )
    for r in P_REGISTER
}
CLOSE = [Dist({k: v for k, v in ((True, p), (False, 1 - p)) if v > 0}) for p in P_CLOSE]
SHARED_TOPIC, SHARED_REGISTER = (
    Dist({"shared": p, "own": 1 - p}) for p in (P_SHARED_TOPIC, P_SHARED_REGISTER)
)
SUBJECTS = {pair: Dist(table) for pair, table in P_SUBJECT.items()}
FIRST_TOPIC = Dist.uniform(TOPICS)
HIDDEN = Dist(P_REGISTER)


@cache
def _next_topic(topic: str | None) -> Dist[str]:
    if topic is None:
        return FIRST_TOPIC
    away = (1 - P_STAY) / (len(TOPICS) - 1)
    return Dist({t: P_STAY if t == topic else away for t in TOPICS})


@cache
def _titles() -> dict[str, Dist[str]]:
    lex = lexicon()
    result = {}
    for register, forms in lex.titles.items():
        weights = {"": 1 - P_TITLE}
        weights |= {f: P_TITLE / len(forms) for f in forms}
        result[register] = Dist(weights)
    return result


@cache
def title_table() -> dict[str, tuple[str, str]]:
    """The text of every possible title -> (its form, its topic)."""
    lex = lexicon()
    forms = [form for table in lex.titles.values() for form in table]
    return {join(title_words(form, t)): (form, t) for form in forms for t in TOPICS}


def title_words(form: str, topic: str) -> list[str]:
    return form.replace("{title}", lexicon()[topic].title).split()


class Teller:
    """Walks through the choices of one story."""

    def __init__(self, chance: Chance):
        self.chance = chance
        self.state = State()

    def title(self, given: Reading | None = None, untitled: bool = False) -> Sentence | None:
        form = self.chance.draw_hidden(
            _titles(), (given.title if given else "") if given or untitled else None, "title"
        )
        if not form:
            return None
        topic = self.chance.draw(FIRST_TOPIC, given.topic if given else None)
        self.state.topic = topic
        return Sentence(tuple(title_words(form, topic)), Reading("title", None, topic=topic, title=form))

    def opening(self, given: Reading | None = None) -> Sentence:
        return self._sentence("opening", None, None, "", given)

    def closes(self, given: bool | None = None) -> bool:
        return self.chance.draw(CLOSE[self.state.body], given, what="length")

    def closing(self, given: Reading | None = None) -> Sentence:
        return self._sentence("closing", None, None, "", given)

    def body(self, given: Reading | None = None, kind: str | None = None) -> Sentence:
        """`kind`: of what kind a drawn sentence is to be: neutral, topic, or the story's register."""
        state, chance = self.state, self.chance
        state.body += 1
        kind = chance.draw_hidden(KIND, kind or _kind(given), "register")
        if kind == "neutral":
            part, concept, topic = "neutral", None, None
        elif kind == "topic":
            topic = chance.draw(_next_topic(state.topic), given.topic if given else None, what="topic")
            state.topic = concept = topic
            part = chance.draw(SHARED_TOPIC, given.part if given else None)
        else:
            concept, topic = kind, None
            part = chance.draw(SHARED_REGISTER, given.part if given else None)
        wanted = None
        if given:
            wanted = (given.connective or "", _time_of(given.connective, state.time))
        connective, state.time = chance.draw(connective_dist(concept, state.time), wanted, what="time")
        return self._sentence(part, concept, topic, connective, given)

    def _sentence(
        self, part: str, concept: str | None, topic: str | None, connective: str, given: Reading | None
    ) -> Sentence:
        state = self.state
        same = state.last_thing is not None and concept is not None and _owner(state.last_thing) == concept
        dist = pattern_dist(part, concept, len(state.cast) == 2, same, state.topic is not None)
        pattern = self.chance.draw(dist, given.pattern if given else None, what="pattern")
        if pattern.has_main:
            if given and given.topic != state.topic:
                raise Impossible("topic")
            topic = state.topic
        words, values = self._fill(pattern, concept, given.values if given else None)
        if connective:
            words = [*connective.split(), *words]
        reading = Reading(part, pattern, concept, topic, connective or None, tuple(values))
        return Sentence(tuple(capitalised(mend_articles(words))), reading)

    def _fill(
        self, pattern: Pattern, concept: str | None, given: Sequence[str] | None
    ) -> tuple[list[str], list[str]]:
        words: list[str] = []
        values: list[str] = []
        used: set[str] = set()
        subject = ""
        head = True
        last = None
        for item in pattern.items:
            if isinstance(item, str):
                words.append(item)
                continue
            wanted = given[len(values)] if given is not None else None
            if item.kind in (SUBJECT, NAME):
                subject, word = self._subject(item.kind, wanted)
            elif item.kind == OTHER:
                word = self._other(subject, wanted)
            elif item.kind in GENDERED:
                word = GENDERED[item.kind][gender_of(subject) == "male"]
                _check(word, wanted, "pronoun")
            elif item.kind == "town":
                word = self._town(wanted)
            elif item.same:
                word = self.state.last_thing or ""
                _check(word, wanted, "thing")
                head = False
                used.add(word)
            else:
                owner = self.state.topic if item.main else concept
                dist = word_dist(
                    item.kind, owner, item.main or pattern.part == "own" or (item.topical and head)
                )
                word = self.chance.draw(dist, wanted, used, item.kind)
                used.add(word)
                head = head and not item.topical
                if item.kind == "thing" and _owner(word) is not None:
                    last = word
            words.append(word)
            values.append(word)
        if last:
            self.state.last_thing = last
        return words, values

    def _subject(self, kind: str, wanted: str | None) -> tuple[str, str]:
        state = self.state
        if kind == NAME:
            names = Dist.uniform(lexicon().names["female"] + lexicon().names["male"])
            name = self.chance.draw(names, wanted, what="name")
            state.cast, state.focus = [name], name
            return name, name
        pronoun = "he" if gender_of(state.focus) == "male" else "she"
        others = [name for name in state.cast if name != state.focus]
        forms = {"pronoun": pronoun, "same": state.focus, "other": others[0] if others else ""}
        form = None
        if wanted is not None:
            form = next((f for f, word in forms.items() if word == wanted), "")
            if not form:
                raise Impossible("pronoun" if wanted in ("he", "she") else "name")
        form = self.chance.draw(SUBJECTS[bool(others)], form, what="name")
        if form == "other":
            state.focus = others[0]
        return state.focus, forms[form]

    def _other(self, subject: str, wanted: str | None) -> str:
        state = self.state
        if len(state.cast) == 1:
            names = Dist.uniform(lexicon().names["female"] + lexicon().names["male"])
            name = self.chance.draw(names, wanted, state.cast, "name")
            state.cast.append(name)
            return name
        present = subject or state.focus
        name = next(name for name in state.cast if name != present)
        _check(name, wanted, "name")
        return name

    def _town(self, wanted: str | None) -> str:
        if not self.state.town:
            self.state.town = self.chance.draw(Dist.uniform(lexicon().names["town"]), wanted, what="town")
        _check(self.state.town, wanted, "town")
        return self.state.town


def _check(word: str, wanted: str | None, what: str) -> None:
    if wanted is not None and wanted != word:
        raise Impossible(what)


def _owner(word: str) -> str | None:
    return lexicon().entries[word].owner


def _kind(given: Reading | None) -> str | None:
    if given is None:
        return None
    if given.part == "neutral":
        return "neutral"
    return given.concept if given.concept in REGISTERS else "topic"


@cache
def connective_times() -> dict[str, int]:
    return {c: t for t, name in enumerate(TIMES) for c in lexicon().connectives[name]}


def _time_of(connective: str | None, now: int) -> int:
    return connective_times().get(connective or "", now)


def tell(seed: int | random.Random) -> Story:
    """Draw one story."""
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    teller = Teller(Chance(rng, HIDDEN))
    title = teller.title()
    sentences = [title] if title else []
    sentences.append(teller.opening())
    while not teller.closes():
        sentences.append(teller.body())
    sentences.append(teller.closing())
    return Story(tuple(sentences), teller.chance.logp)


def retell(readings: Iterable[Reading]) -> float:
    """The exact log-probability of a whole story that was read; raises Impossible where it has none."""
    rest = list(readings)
    teller = Teller(Chance(random.Random(0), HIDDEN))
    if rest and rest[0].part == "title":
        teller.title(rest.pop(0))
    else:
        teller.title(untitled=True)
    if not rest or rest[0].part != "opening":
        raise Impossible("opening")
    teller.opening(rest.pop(0))
    for reading in rest[:-1]:
        if reading.part not in ("neutral", "shared", "own") or teller.state.body >= len(CLOSE):
            raise Impossible("order")
        teller.closes(False)
        teller.body(reading)
    if not rest or rest[-1].part != "closing" or teller.state.body >= len(CLOSE):
        raise Impossible("closing")
    teller.closes(True)
    teller.closing(rest[-1])
    return teller.chance.logp
