from collections.abc import Callable
from dataclasses import dataclass

import pytest

from saesteer.cli.main import main
from tests.cli import tiny


@dataclass(frozen=True)
class Said:
    """What a command line left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> tiny.Place:
    return tiny.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def run(capsys, monkeypatch) -> Callable[..., Said]:
    """Run a command line in this process."""
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments: object) -> Said:
        capsys.readouterr()
        code = main(list(map(str, arguments)))
        return Said(code, *capsys.readouterr())

    return call
