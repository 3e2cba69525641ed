"""What the environment says: folders, device, offline, keys. Reads a `.env`, never writes; knows no client.

Process variables win over the `.env` of the working folder, of which only the names below are taken, and
those that `load_key` is asked for. The process's key is never paired with an address from a `.env`: a
stranger's folder cannot send it elsewhere.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from saesteer.errors import InputError

DEVICE: Final = "SAESTEER_DEVICE"  # torch device; default: cpu
OFFLINE: Final = "SAESTEER_OFFLINE"  # 1: never touch the network (HF_HUB_OFFLINE counts too)
API_KEY: Final = "OPENAI_API_KEY"  # for models that are called over HTTP
API_BASE: Final = "OPENAI_BASE_URL"
HF_TOKEN: Final = "HF_TOKEN"  # for models of the Hugging Face Hub that ask for one
HUB: Final = "https://huggingface.co"
_NAMES: Final = {DEVICE, OFFLINE, "HF_HUB_OFFLINE", API_KEY, API_BASE, HF_TOKEN}

_KEY_NAME = re.compile(r"[A-Z][A-Z0-9_]*(KEY|TOKEN)")
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*(=?)\s*(.*)")
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


class Secret:
    """A value that never shows itself: `reveal` is the one way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; pass it on to its host and keep it nowhere."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled; read it from the settings where it is needed")


@dataclass(frozen=True)
class Settings:
    """The environment, read once and passed on."""

    device: str = "cpu"
    offline: bool = False
    api_key: Secret | None = None
    api_base: str | None = None
    """The address that `api_key` is for; None: the client's own default."""
    hf_token: Secret | None = None


def load_settings(
    environment: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")
) -> Settings:
    """Settings from `environment` (default: the process's) over those of the file `dotenv` (None: none)."""
    process = dict(os.environ if environment is None else environment)
    filed = read_dotenv(dotenv) if dotenv is not None else {}
    both = filed | process
    source = process if process.get(API_KEY) else both
    return Settings(
        device=both.get(DEVICE) or "cpu",
        offline=_flag(both, OFFLINE) or _flag(both, "HF_HUB_OFFLINE"),
        api_key=_secret(both.get(API_KEY)),
        api_base=source.get(API_BASE) or None,
        hf_token=_secret(both.get(HF_TOKEN)),
    )


def load_key(
    name: str, environment: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")
) -> Secret | None:
    """The key in the variable `name`, of the process or else of the `.env`; None where it is not set.

    Only names that end in KEY or TOKEN: a settings file does not get to send any other variable anywhere.
    """
    if not _KEY_NAME.fullmatch(name):
        raise InputError(
            f"a key's variable is named like OPENROUTER_API_KEY (... KEY or TOKEN), got {name!r}"
        )
    process = os.environ if environment is None else environment
    filed = read_dotenv(dotenv, {name}) if dotenv is not None else {}
    found = _secret(process.get(name) or filed.get(name))
    if found is not None and not (found.reveal().isascii() and found.reveal().isprintable()):
        raise InputError(f"the key in {name} holds characters that no header takes; copy it anew")
    return found


def hub_unknown() -> bool:
    """Whether the Hugging Face Hub's name leads nowhere here.

    Then its client would ask again and again for half a minute. Behind a proxy nothing is known.
    """
    from urllib.request import getproxies  # takes longer than everything else here

    if getproxies():
        return False
    try:
        socket.getaddrinfo(urlsplit(os.environ.get("HF_ENDPOINT") or HUB).hostname, None)
    except OSError:
        return True
    return False


def read_dotenv(path: Path, also: Set[str] = frozenset()) -> dict[str, str]:
    """The `NAME=value` lines of a `.env` about a setting or one of `also`; a missing file is an empty one.

    No expansion and no commands. Lines about anything else, well formed or not, belong to other programs.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1] not in _NAMES | also:
            continue
        if not match[2]:  # the line itself is not printed: it may be half a key
            raise InputError(f"{path} line {number} is not NAME=value; mend or remove it")
        values[match[1]] = _value(match[3], path, number)
    return values


def _value(raw: str, path: Path, number: int) -> str:
    if raw[:1] in {"'", '"'}:
        end = raw.find(raw[0], 1)
        rest = raw[end + 1 :].strip()
        if end < 0 or (rest and not rest.startswith("#")):
            raise InputError(f"{path} line {number} has a quote that does not end the value; close it there")
        return raw[1:end]
    return re.split(r"\s+#", raw, maxsplit=1)[0].strip()


def _secret(value: str | None) -> Secret | None:
    return Secret(value.strip()) if value and value.strip() else None


def _flag(values: Mapping[str, str], name: str) -> bool:
    value = values.get(name, "").strip().lower()
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    raise InputError(f"{name} is a switch: 1 or 0, got {value!r}")
