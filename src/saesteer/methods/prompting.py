"""Prompting: prefixes that ask for a concept, instead of a direction. Knows words; the model is not asked.

The best of the candidates is chosen by whoever measures them; what a prefix adds is never judged.
"""

from __future__ import annotations

from typing import Final

from saesteer.model import LanguageModel
from saesteer.text import load_concept
from saesteer.text.concept import Concept
from saesteer.text.concepts import bare_name

BARE: Final = "{prompt}"
"""Stands for the plain prompt."""
_TITLES: Final = ("A story about {0}.", "{1}", "This is about {0}.", "Here is a text about {0}:")
_SENTENCES: Final = 4
_LONGEST: Final = 200  # letters of a sentence that is put before a prompt


def prompting(lm: LanguageModel, concept: Concept | str) -> tuple[str, ...]:
    """The candidate prefixes of a concept; a method like the others, though its result is no spec."""
    return candidates(load_concept(concept))


def candidates(concept: Concept) -> tuple[str, ...]:
    """Templates around `{prompt}`: the concept's own, or else titles, topical sentences and both."""
    if concept.prefixes:
        return tuple(dict.fromkeys(_template(each) for each in concept.prefixes))
    topic = bare_name(concept.name).replace("_", " ")
    titles = [form.format(topic, concept.description.strip()).strip() for form in _TITLES]
    titles = [each for each in dict.fromkeys(titles) if each and BARE not in each]
    lines = _sentences(concept)
    both = [f"{title} {line}" for line in lines for title in titles[:2]]
    return tuple(dict.fromkeys(f"{each} {BARE}" for each in (*titles, *lines, *both)))


def _template(prefix: str) -> str:
    """A prefix without the placeholder stands before the prompt."""
    return prefix if BARE in prefix else f"{prefix.rstrip()} {BARE}"


def _sentences(concept: Concept) -> list[str]:
    """First sentences of the positive texts, the first few that are not too long."""
    found: dict[str, None] = {}
    for text in concept.positive:
        line = _first_sentence(" ".join(text.split()))
        if len(line) <= _LONGEST and BARE not in line:
            found.setdefault(line)
    return list(found)[:_SENTENCES]


def _first_sentence(text: str) -> str:
    ends = [place for place in (text.find(f"{mark} ") for mark in ".!?") if place >= 0]
    return text[: min(ends) + 1] if ends else text
