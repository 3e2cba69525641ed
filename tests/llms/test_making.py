"""Clients from lines and mappings."""

import asyncio

import pytest

from saesteer.errors import InputError, UnknownName
from saesteer.llms import CLIENTS, CachedClient, Request, client_from, user
from saesteer.llms.hf_local import HFClient
from saesteer.llms.openai_api import OpenAIClient
from saesteer.llms.scripted import ScriptedClient
from saesteer.names import Registry

URL = "http://127.0.0.1:9/v1"


class Oracle:
    """As the world's: nothing need be said."""

    def __init__(self, error_rate: float = 0.0, seed: int = 0) -> None:
        self.error_rate = error_rate
        self.name = "oracle"


TABLE = Registry(
    "client", {"oracle": Oracle, "openai": OpenAIClient, "scripted": ScriptedClient, "hf": HFClient}
)


def test_lines(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    assert (
        repr(client_from("openai:gpt-4o-mini")) == "OpenAIClient('gpt-4o-mini', 'https://api.openai.com/v1')"
    )
    local = client_from(f"openai:a/model:8b@2@{URL}")
    assert repr(local) == f"OpenAIClient('a/model:8b@2', {URL!r})"
    (tmp_path / "script.jsonl").write_text('{"text": "Yes."}\n')
    scripted = client_from(f"scripted:{tmp_path / 'script.jsonl'}")
    assert asyncio.run(scripted.complete(Request(user("?")))).text == "Yes."
    assert client_from("hf:world").name == "world"
    assert type(client_from("oracle", TABLE)) is Oracle
    assert client_from(scripted) is scripted


def test_mappings(tmp_path, monkeypatch):
    monkeypatch.setenv("OTHER_API_KEY", "sk-2")
    given = {"client": "openai:m", "base_url": "https://models.example/v1", "key_env": "OTHER_API_KEY"}
    client = client_from({**given, "prices": [1, 2.5], "cache": str(tmp_path / "answers")})
    assert isinstance(client, CachedClient)
    assert client.name == "m at models.example"
    assert client_from({"client": "openai", "model": "m", "base_url": URL}).name == "m at 127.0.0.1:9"
    assert client_from({"client": "oracle", "error_rate": 0.25}, TABLE).error_rate == 0.25
    assert (
        asyncio.run(client_from({"client": "scripted", "answers": ["a"]}).complete(Request(()))).text == "a"
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (7, "client is a text or a mapping"),
        ({}, "client is a text"),
        ({"client": ["openai:m"]}, "client is a text"),
        ("openai", "openai needs model"),
        ("openai:", "missing after the colon"),
        ({"client": f"openai:m@{URL}", "base_url": URL}, "base_url is given twice"),
        ({"client": f"openai:m@{URL}", "concurrency": 0}, "concurrency is a whole number"),
        ({"client": f"openai:m@{URL}", "prices": "cheap"}, "prices is two numbers"),
        ({"client": f"openai:m@{URL}", "cache": 7}, "cache is a folder"),
        ("openai:m@http://me:password@127.0.0.1/v1", "base_url holds no name, password"),
        ("scripted:none.jsonl", "no file none.jsonl"),
        ({"client": "hf:world", "batch": "many"}, "batch is a whole number"),
    ],
)
def test_what_cannot_be_meant_is_named(given, says):
    with pytest.raises(InputError, match=says) as caught:
        client_from(given)
    assert ":password" not in str(caught.value)


def test_unknown_names_have_a_nearest_one():
    with pytest.raises(UnknownName, match="did you mean 'openai'"):
        client_from("opnai:m")
    with pytest.raises(UnknownName, match="did you mean 'retries'"):
        client_from({"client": f"openai:m@{URL}", "retrys": 3})
    with pytest.raises(UnknownName, match=r"known: .*key_env") as caught:
        client_from({"client": f"openai:m@{URL}", "api_key": "sk-1"})
    assert "sk-1" not in str(caught.value) and "clock" not in str(caught.value)
    assert "oracle" in CLIENTS.names()
