"""The one tree of errors. A message says what is wrong, what was got and what to do; knows no other room.

The command line prints the message as one line and leaves with the class's `exit_code`: 1 means that the work
failed, 2 that the user can mend the input.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Self

_LISTED = 40  # names printed in a message before the rest becomes a count


class SaesteerError(Exception):
    """Anything that saesteer refuses or fails at on purpose."""

    exit_code = 1


class InputError(SaesteerError):
    """The user can mend it: a wrong value, file or name."""

    exit_code = 2


class UnknownName(InputError):
    """A name that is in no table; `of` writes the message with what exists and the nearest match."""

    @classmethod
    def of(cls, noun: str, name: object, known: Iterable[str]) -> Self:
        """The error for `name`, which is none of the `known` names of a `noun` ("model", "method", ...)."""
        return cls(f"unknown {noun} {str(name)!r}; {_suggestion(str(name), sorted(known))}")


class ShapeMismatch(InputError):
    """Two things that must have the same width or shape and do not."""


class NotAModel(InputError):
    """A path or id that holds no language model."""


class NotAnSAE(InputError):
    """A path or name that holds no sparse autoencoder."""


class MissingHookpoint(InputError):
    """An activation address that this model does not have."""


class BadSpec(InputError):
    """A steering spec that cannot be meant; the message names the field."""


class MissingExtra(InputError):
    """An optional dependency is not installed."""

    @classmethod
    def of(cls, package: str, extra: str) -> Self:
        """The error for `package`, which the extra `extra` installs."""
        return cls(
            f"this needs the package {package!r}, which is not installed; pip install 'saesteer[{extra}]'"
        )


class CorruptFile(SaesteerError):
    """A file that was written whole once and no longer reads as what it was."""


def _suggestion(name: str, known: list[str]) -> str:
    if not known:
        return "there are none to choose from"
    folded = {each.casefold(): each for each in known}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    nearest = f"did you mean {folded[close[0]]!r}? " if close else ""
    rest = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"{nearest}known: {', '.join(known[:_LISTED])}{rest}"
