"""How an explanation is said before a text, so that a base model's loss tells what it makes of it.

Knows templates, no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from saesteer.errors import InputError, UnknownName
from saesteer.llms.lines import one_line
from saesteer.scorers.templates import template

_PLACE: Final = "{explanation}"


@dataclass(frozen=True)
class Wording:
    """A sentence that says what a text is about, and sentences in its place that do not."""

    template: str
    """Holds {explanation}."""
    dummies: tuple[str, ...] = ("",)
    """What a text's loss is compared with is the mean over these; empty: nothing stands before the text."""

    def __post_init__(self) -> None:
        if self.template.count(_PLACE) != 1:
            raise InputError(f"a template holds {_PLACE} once, got {self.template!r}")
        if not self.dummies or type(self.dummies) is not tuple:
            raise InputError(f"dummies are a tuple of one sentence or more, got {self.dummies!r}")

    def said(self, explanation: str) -> str:
        """The sentence, whose end is not doubled."""
        bare = one_line(explanation).strip()
        ends = self.template.partition(_PLACE)[2][:1]
        return self.template.replace(_PLACE, bare.removesuffix(".") if ends == "." else bare)

    def unsaid(self, explanation: str) -> tuple[str, ...]:
        """The dummies but for the one that says the same, if another is left."""
        others = tuple(each for each in self.dummies if each != self.said(explanation))
        return others or self.dummies


def wordings() -> dict[str, Wording]:
    """By name: "plain" for any model; "titles" as stories of the embedded world begin, and other titles.

    A title is better compared with titles than with none: a model that was told of some topic expects less
    of an opening and of a cast, and windows that begin in the middle of a story have neither.
    """
    titles = tuple(f"A story about {topic}." for topic in ("music", "money", "a garden"))
    return {
        "plain": Wording(template("surprisal"), (template("surprisal_dummy"),)),
        "titles": Wording("A story about {explanation}.", titles),
    }


def wording_of(given: str | Wording) -> Wording:
    """By its name, or a template of one's own."""
    if isinstance(given, Wording):
        return given
    if _PLACE in given:
        return Wording(given)
    known = wordings()
    if given not in known:
        raise UnknownName.of("wording", given, known)
    return known[given]


def joined(before: str, text: str) -> str:
    """Both, with a space between them where neither has one."""
    if not before or not text or before[-1].isspace() or text[0].isspace():
        return before + text
    return f"{before} {text}"


def settings_of(wording: Wording) -> dict[str, Any]:
    """For fingerprints."""
    return {"template": wording.template, "dummies": list(wording.dummies)}
