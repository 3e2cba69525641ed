"""An address that is asked over HTTP, and the one key that may go there. Sends nothing itself.

OPENAI_API_KEY belongs to api.openai.com, or to OPENAI_BASE_URL where the environment names one. Any other
address gets a key only if the caller names its variable for that address, and no key over plain HTTP unless
the host is this machine or a private network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from saesteer.errors import InputError
from saesteer.settings import API_KEY, Secret, load_key, load_settings

OPENAI: Final = "https://api.openai.com/v1"
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """Where requests go, and with which key."""

    url: str
    key: Secret | None = None

    @property
    def host(self) -> str:
        """The host, with its port where it is written out."""
        return urlsplit(self.url).netloc

    @property
    def is_local(self) -> bool:
        """Whether the host is this machine."""
        return _is_local(urlsplit(self.url).hostname or "")

    def covers(self, url: str) -> bool:
        """Whether the key may go to `url`: same scheme, host and port."""
        return _origin(url) == _origin(self.url)


def endpoint(
    base_url: str | None = None,
    key_env: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Endpoint:
    """The address and its key by the rule of this file; InputError where a key is needed and none is there.

    `key_env`: the variable of the key for this very address; None: OPENAI_API_KEY, where it belongs there.
    """
    settings = load_settings(environment)
    home = settings.api_base or OPENAI
    url = _checked(home if base_url is None else base_url)
    if key_env is not None:
        key = load_key(key_env, environment)
        if key is None:
            raise InputError(f"there is no key in {key_env}; set the variable or put it into .env")
    else:
        key = load_key(API_KEY, environment) if _origin(url) == _origin(home) else None
    found = Endpoint(url, key)
    if key is None and not found.is_local:
        named = API_KEY if _origin(url) == _origin(home) else "the variable of its key (key_env)"
        raise InputError(f"{found.host} asks for a key; set {named}")
    if key is not None and urlsplit(url).scheme == "http" and not _is_private(urlsplit(url).hostname or ""):
        raise InputError(f"a key is not sent to {found.host} over plain http; give an https address")
    return found


def _checked(url: str) -> str:
    """The address without a slash at its end; what is wrong is said without what a password may stand in."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, AttributeError) as error:
        raise InputError("base_url is no address; give one like http://127.0.0.1:8000/v1") from error
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise InputError("base_url begins with http:// or https:// and a host, like http://127.0.0.1:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError("base_url holds no name, password, ? or #; give a key through key_env")
    return url.rstrip("/")


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_private
    except ValueError:
        return False
