"""Words to text and back: spaces, quotation marks, capitals and a/an. Knows no patterns and no concepts."""

import re
from collections.abc import Iterable, Sequence

WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?|[^\w\s]|[\d_]+")
SENTENCE = re.compile(r'\s*[^.!?]*[.!?](?:"(?!\w))?')
END = frozenset(".!?")
CLOSE_UP = frozenset(",.!?;:")
_AN_AFTER_ALL = ("hour", "honest", "heir", "honour")
_A_AFTER_ALL = ("uni", "use", "usu", "euro", "one", "once", "ukulele", "ute", "uran", "ufo", "usher ")


def takes_an(word: str) -> bool:
    """Whether English says `an` before this word."""
    word = word.lower()
    if word.startswith(_AN_AFTER_ALL):
        return True
    if word.startswith(("unin", "unim")):
        return True
    return word[:1] in "aeiouéàâêô" and not word.startswith(_A_AFTER_ALL)


def mend_articles(words: Sequence[str]) -> list[str]:
    """`a` before a vowel sound becomes `an`."""
    mended = list(words)
    for i in range(len(words) - 1):
        if words[i] == "a" and takes_an(words[i + 1]):
            mended[i] = "an"
    return mended


def capitalised(words: Sequence[str]) -> list[str]:
    """The sentence with a capital at its start."""
    return [words[0][:1].upper() + words[0][1:], *words[1:]]


def pieces(words: Iterable[str]) -> list[tuple[str, bool]]:
    """Each word with whether a space goes before it; quotation marks open and close by turns."""
    result, quoting, after_open = [], False, False
    for word in words:
        if word == '"':
            result.append((word, not quoting))
            quoting = not quoting
            after_open = quoting
            continue
        result.append((word, not (word in CLOSE_UP or after_open)))
        after_open = False
    return result


def join(words: Iterable[str]) -> str:
    """Running text, without a leading space."""
    return "".join((" " if space else "") + word for word, space in pieces(words)).lstrip()


def split_words(text: str) -> list[str]:
    return WORD.findall(text)


def split_sentences(text: str) -> tuple[list[str], str]:
    """The finished sentences of a text, and the unfinished tail (often empty)."""
    sentences, at = [], 0
    for match in SENTENCE.finditer(text):
        sentence = match.group().strip()
        if sentence.count('"') % 2 and not text[match.end() :].strip():
            break  # cut off between the end mark and the closing quotation mark
        sentences.append(sentence)
        at = match.end()
    return sentences, text[at:].strip()
