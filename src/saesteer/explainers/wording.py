"""Findings in English: one or two sentences that a person can use. Knows no counting."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from saesteer.explainers.findings import Findings
from saesteer.explainers.phrases import Phrase

_MARKS: Final = {
    ".": "full stops",
    ",": "commas",
    ";": "semicolons",
    ":": "colons",
    "?": "question marks",
    "!": "exclamation marks",
    '"': "quotation marks",
    "\u201c": "opening quotation marks",
    "\u201d": "closing quotation marks",
    "'": "apostrophes",
    "(": "opening brackets",
    ")": "closing brackets",
    "-": "hyphens",
    "\n": "line breaks",
    "\n\n": "empty lines",
}
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_LONGEST: Final = 40
"""Letters of a word that are shown."""
_TRAITS: Final = {"capital": "words with a capital", "number": "numbers"}
_PLACES: Final = {"first": "at the beginning of sentences", "last": "at the end of sentences"}


def sentences(found: Findings, promoted: Sequence[str]) -> str | None:
    """None where nothing sets its places apart and nothing is promoted."""
    pushes = listed(distinct(promoted))
    second = f" It promotes {pushes}." if pushes else ""
    if found.form == "unclear":
        return _unclear(found) + second if second else None
    return f"Fires {_where(found)}{_beside(found)}{_around(found)}.{second}"


def quoted(word: str) -> str:
    """A mark by its name, anything else between quotation marks, harmless and not too long."""
    if word in _MARKS:
        return _MARKS[word]
    text = _UNSEEN.sub("\ufffd", word).replace('"', "'")
    return f'"{text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"}"'


def listed(words: Sequence[str]) -> str:
    """In quotation marks, with commas and an "and"."""
    return _joined([quoted(word) for word in words])


def distinct(words: Sequence[str], most: int = 4) -> tuple[str, ...]:
    """Without spaces, marks and special tokens; those that differ only in case once."""
    found: dict[str, str] = {}
    for word in words:
        bare = word.strip()
        if any(map(str.isalnum, bare)) and not re.fullmatch(r"<.*>|\[.*\]", bare):
            found.setdefault(bare.casefold(), bare)
    return tuple(found.values())[:most]


def _where(found: Findings) -> str:
    if found.form == "start":
        return f"at the start of texts, on words such as {listed(found.words)}"
    named = _joined([_with_phrase(found, word) for word in _unrepeated(found.words)])
    if found.trait:
        kind = _TRAITS.get(found.trait, f'words that end in "{found.trait}"')
        return f"on {kind}, such as {named}"
    if found.form in ("word", "family"):
        return f"on {named}{'' if found.covered >= 0.6 else ', among others'}"
    return f"on many words ({', '.join(_with_phrase(found, word) for word in _unrepeated(found.words))})"


def _with_phrase(found: Findings, word: str) -> str:
    phrase = found.phrases.get(word)
    return f"{quoted(word)} ({_spelled(phrase, word)})" if phrase else quoted(word)


def _beside(found: Findings) -> str:
    place = f" {_PLACES[found.sentence]}" if found.sentence else ""
    phrase = found.phrase
    if found.form == "word" and phrase:
        return f"{place} in {_spelled(phrase, found.words[0])}"
    before, after = _spelled(Phrase(phrase.before, ()), ""), _spelled(Phrase((), phrase.after), "")
    if phrase.before and phrase.after:
        return f"{place} between {before} and {after}"
    return place + (f" after {before}" if phrase.before else f" before {after}" if phrase.after else "")


def _around(found: Findings) -> str:
    spelled = [_spaced(each.split(" ")) for each in found.around]
    return f", in sentences with {listed(spelled)}" if spelled else ""


def _unclear(found: Findings) -> str:
    words = ", ".join(map(quoted, found.words))
    return f"Fires on many words ({words}); no word or context sets its places apart."


def _spelled(phrase: Phrase, word: str) -> str:
    """Words that take turns have a stroke between them."""
    places = [*phrase.before, (word,), *phrase.after]
    return quoted(_spaced(["/".join(place) if place else "…" for place in places if place != ("",)]))


def _spaced(words: Sequence[str]) -> str:
    """As a text would have it: no space before a mark or behind one that opens."""
    text = re.sub(r" (?=[,.;:?!)])", "", " ".join(words))
    text = re.sub(r"(^| )([\"'(]) ", r"\1\2", text)
    return re.sub(r"^[,.;:?!)… ]+(?=\w)", "", text)


def _unrepeated(words: Sequence[str]) -> list[str]:
    """Once where two differ only in case."""
    return list({word.casefold(): word for word in reversed(words)}.values())[::-1]


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
