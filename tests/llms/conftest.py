"""The server's process, a clock that nobody waits for, and no keys of the machine's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

import pytest

from saesteer.llms.retries import Clock

SERVER = Path(__file__).with_name("server.py")


@dataclass(frozen=True)
class Server:
    """Where it listens, and what it was asked."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def seen(self, model: str) -> list[dict]:
        """The requests for a model, in order."""
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/seen/{quote(model)}", timeout=30) as answer:
            return json.loads(answer.read())


def started(*arguments: str) -> tuple[subprocess.Popen, Server]:
    process = subprocess.Popen([sys.executable, SERVER, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Server(int(process.stdout.readline()))


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Server, Server]]:
    """One that is asked, and one to which it sends requests on."""
    second, other = started()
    first, server = started(str(other.port))
    yield server, other
    for each in (first, second):
        each.terminate()
        each.wait()
        assert each.stdout is not None
        each.stdout.close()


@pytest.fixture
def server(servers: tuple[Server, Server]) -> Server:
    return servers[0]


class FakeClock(Clock):
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._ahead = 0.0

    def now(self) -> float:
        return super().now() + self._ahead

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._ahead += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder without a .env, and an environment without keys and proxies."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_CUSTOM_HEADERS", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
