"""The explanation in a reply, or why there is none. Knows the form that the prompts ask for; never raises."""

from __future__ import annotations

import re
from typing import Final

from saesteer.examples import Failure
from saesteer.explainers.windows import one_line
from saesteer.llms import Reply

MARKER: Final = "EXPLANATION:"
LONGEST: Final = 1000
"""Letters of an explanation; more is no explanation."""

_LINE: Final = re.compile(r"[\s>#-]*([*_`'\"]*)explanation[*_`\"]*:[*_`]*(.*)", re.IGNORECASE)
_FENCE: Final = re.compile(r"\s*(```|~~~)\w*\s*")
_WRAPS: Final = (("**", "**"), ("*", "*"), ("__", "__"), ("_", "_"), ("`", "`"), ('"', '"'), ("'", "'"))
_CURLY: Final = (("\u201c", "\u201d"), ("\u2018", "\u2019"), ("\u00ab", "\u00bb"))
_FORM: Final = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\.{3}|…|one plain sentence,? thirty words at most\.?", re.I)
_NOTHING: Final = frozenset({"none", "n/a", "na", "unknown", "null", "nothing"})


def explanation_in(reply: Reply) -> str | Failure:
    """What stands behind the last marker; a failure "unparsed" where that is nothing that explains."""
    text = _answer(reply.text)
    if text is None:
        return _unparsed("the reply ends while it is still thinking", reply)
    lines = text.splitlines()
    marks = [(i, found) for i, line in enumerate(lines) if (found := _LINE.fullmatch(line))]
    if not marks:
        return _unparsed(f"the reply has no line that begins with {MARKER}", reply)
    last, found = marks[-1]
    behind = [i for i in range(last + 1, len(lines)) if lines[i].strip() and not _FENCE.fullmatch(lines[i])]
    said, at = _cleaned(found[2].strip().removesuffix(found[1])), last
    if not said and behind:
        said, at = _cleaned(lines[behind[0]]), behind[0]
    if reply.ended == "length" and not any(i > at for i in behind):
        return _unparsed("the reply was cut off in its explanation; allow more tokens (max_tokens)", reply)
    return _judged(said, reply)


def reasoning_in(text: str) -> str:
    """What stands before the last marker."""
    lines = text.splitlines()
    marks = [i for i, line in enumerate(lines) if _LINE.fullmatch(line)]
    return "\n".join(map(one_line, lines[: marks[-1]] if marks else lines)).strip()


def _answer(text: str) -> str | None:
    """Without what some models think aloud first."""
    _, closed, after = text.rpartition("</think>")
    if closed:
        return after
    return None if "<think>" in text else text


def _judged(said: str, reply: Reply) -> str | Failure:
    if _FORM.fullmatch(said) or said.strip(" .").casefold() in _NOTHING:
        return _unparsed("the explanation says nothing", reply)
    if not any(map(str.isalnum, said)):
        return _unparsed("the explanation is empty", reply)
    if len(said) > LONGEST:
        return _unparsed(f"the explanation has {len(said)} letters, at most {LONGEST} are taken", reply)
    return said


def _cleaned(text: str) -> str:
    """On one line, without markup and quotation marks around it."""
    text = " ".join(one_line(text).replace("\ufffd", "").split())
    before = None
    while text != before:
        before = text
        for start, end in (*_WRAPS, *_CURLY):
            inner = text[len(start) : len(text) - len(end)]
            if len(text) > len(start) + len(end) and text.startswith(start) and text.endswith(end):
                text = text if end in inner or start in inner else inner.strip()
        text = text.removesuffix("```").strip()
    return "" if set(text) <= set("*_`'\"~") else text


def _unparsed(why: str, reply: Reply) -> Failure:
    return Failure("unparsed", f"{why}; got {one_line(reply.text[-200:])!r}")
