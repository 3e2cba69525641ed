"""What no run may do, whoever asks: run code of a model's or a data set's makers. Knows plain values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from saesteer.errors import InputError

REMOTE: Final = ("trust_remote_code", "custom_generate")
"""Under these names code comes with a model or a data set."""
_OFF: Final = {"", "0", "false", "no", "off", "none"}


def check_plain(values: Any, where: str) -> None:
    """Refuse such a name that is on, however deep it stands."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            if key in REMOTE and str(value).strip().lower() not in _OFF:
                raise InputError(f"{where} {key}={value!r} would run code from outside; leave it out")
            check_plain(value, where)
    elif isinstance(values, list | tuple):
        for each in values:
            check_plain(each, where)
