"""What is worth saying of a latent, chosen from what was counted: by thresholds that stand here.

Knows counts, no record; says nothing in English.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, Literal

from saesteer.explainers.observed import EDGE, ENDS, EVERY, Observed
from saesteer.explainers.phrases import MOSTLY, TIMES, Phrase, phrase, told

Form = Literal["start", "word", "family", "phrase", "context", "unclear"]

_ONE_WORD: Final = 0.75
"""Share of the activation on one word that makes it the latent's word."""
_FAMILY: Final = 0.5
"""Share on words that are seldom silent that makes them its words."""
_SELDOM_SILENT: Final = 0.5
_SURE: Final = 3.0
"""z of a word that is said to tell active places from silent ones."""
_ALIKE: Final = 5
"""Different words from which an ending that they share says something."""
_WORDS: Final = 6
_EXAMPLES: Final = 3
_AROUND: Final = {"context": 6, "unclear": 6, "start": 3, "word": 3, "family": 4, "phrase": 4}
"""How many words of its contexts are said, by form."""


@dataclass(frozen=True)
class Findings:
    """What the sentences are made of; a part that has nothing to say is empty."""

    form: Form
    words: tuple[str, ...]
    """That it fires on, most activation first."""
    covered: float
    """Their share of the activation."""
    trait: str | None
    """An ending that its words share ("-ly"), "capital" or "number"."""
    phrase: Phrase
    """In which they all stand."""
    phrases: Mapping[str, Phrase]
    """In which single words stand."""
    sentence: Literal["first", "last"] | None
    around: tuple[str, ...]
    """Words and n-grams of its contexts, those first that separate best."""


def findings(seen: Observed) -> Findings:
    """The form by what separates best: a place, a word, several words, what stands beside it, the context."""
    sentence = _sentence(seen)
    trait = None if sentence == "first" else _trait(seen)
    common = phrase(seen.beside[EVERY], seen.usual)
    form, words = _form_and_words(seen, bool(trait), bool(common or sentence))
    if form == "word" and common.length < 2:
        common = Phrase((), ())
    near = _around(seen, set(words) | common.words)
    if form == "unclear" and near:
        form = "context"
    apart = {} if common or form in ("context", "unclear") else _apart(seen, words)
    said = {word for each in apart.values() for word in each.words}
    near = tuple(each for each in near if not said & set(each.split(" ")))
    covered = sum(seen.fires_on[word].inside for word in words)
    return Findings(form, words, covered, trait, common, apart, sentence, near[: _AROUND[form]])


def _apart(seen: Observed, words: Sequence[str]) -> dict[str, Phrase]:
    """The phrases of single words, of three words at least."""
    found = {word: phrase(seen.beside[word], seen.usual) for word in words if word in seen.beside}
    return {word: each for word, each in found.items() if each.length > 1}


def _form_and_words(seen: Observed, alike: bool, beside: bool) -> tuple[Form, tuple[str, ...]]:
    by_share = sorted(seen.fires_on, key=lambda word: (-seen.fires_on[word].inside, word))
    own = [word for word in by_share if _is_own(seen, word)]
    if sum(share for place, share in seen.places.items() if place <= 1) >= MOSTLY:
        return "start", tuple(by_share[:_EXAMPLES])
    if seen.fires_on[by_share[0]].inside >= _ONE_WORD:
        return "word", (by_share[0],)
    if alike or sum(seen.fires_on[word].inside for word in own) >= _FAMILY:
        return "family", tuple((own or by_share)[:_WORDS])
    return ("phrase" if beside else "unclear"), tuple(by_share[:_EXAMPLES])


def _is_own(seen: Observed, word: str) -> bool:
    """Seldom silent, and surely not by chance."""
    return seen.rates[word] >= _SELDOM_SILENT and seen.fires_on[word].z >= _SURE


def _sentence(seen: Observed) -> Literal["first", "last"] | None:
    """Whether it mostly stands first or last in its sentence."""
    beside = seen.beside[EVERY]
    if beside[-1].get(EDGE, 0.0) < MOSTLY and told(beside, seen.usual, -1, ENDS | {EDGE}):
        return "first"
    return "last" if told(beside, seen.usual, 1, ENDS) else None


def _trait(seen: Observed) -> str | None:
    """What the spellings of its words have in common, where others have it seldom."""
    inside = {word: each.inside for word, each in seen.fires_on.items()}
    endings: defaultdict[str, float] = defaultdict(float)
    for word, share in inside.items():
        for n in range(2, min(5, len(word) - 1)) if word.isalpha() else ():
            endings[word[-n:]] += share
    common = [each for each, share in endings.items() if share >= MOSTLY]
    for ending in sorted(common, key=lambda each: (-len(each), each)):
        if _shared(seen, inside, _ends_with(ending)):
            return f"-{ending}"
    if _shared(seen, inside, lambda word: any(map(str.isdigit, word))):
        return "number"
    return "capital" if _shared(seen, inside, lambda word: word[:1].isupper()) else None


def _ends_with(ending: str) -> Callable[[str], bool]:
    return lambda word: word.isalpha() and word.endswith(ending)


def _shared(seen: Observed, inside: Mapping[str, float], has: Callable[[str], bool]) -> bool:
    share, usual = (sum(n for w, n in side.items() if has(w)) for side in (inside, seen.silent_words))
    return share >= MOSTLY and share >= TIMES * usual and sum(map(has, inside)) >= _ALIKE


def _around(seen: Observed, said: Set[str]) -> tuple[str, ...]:
    """None is part of another; an n-gram stands only where it is surer than its words."""
    sure = {each: z for each in seen.around if (z := _sureness(seen, each)) >= _SURE}
    kept = [each for each in sure if all(sure[each] > sure.get(word, 0) for word in _parts(each))]
    found: list[str] = []
    for each in sorted(kept, key=lambda each: (-sure[each] * seen.around[each].log_odds, each)):
        words = each.split(" ")
        taken = {word for one in found for word in one.split(" ")}
        if not set(words) & (said | taken) and words[0].isalnum() and words[-1].isalnum():
            found.append(each)
    return tuple(found)


def _parts(ngram: str) -> list[str]:
    """The words of an n-gram of several."""
    return ngram.split(" ") if " " in ngram else []


def _sureness(seen: Observed, ngram: str) -> float:
    """By where it stands, or by being active itself."""
    own = seen.fires_on[ngram].z if ngram in seen.fires_on and _is_own(seen, ngram) else 0.0
    return max(seen.around[ngram].z, own)
