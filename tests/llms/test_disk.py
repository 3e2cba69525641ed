"""Answers kept on disk."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

import saesteer
from saesteer.errors import InputError
from saesteer.llms import Client, Reply, Request, TokenChoice, Unavailable, Usage, user
from saesteer.llms.disk import CachedClient
from saesteer.llms.openai_api import OpenAIClient
from saesteer.llms.scripted import ScriptedClient

ASKED = Request(user("Is it so?", "Be brief."), top_logprobs=2)
SAID = Reply(
    'Yes — "so".\n',
    "length",
    (TokenChoice("Yes", -0.5, (("Yes", -0.5), ("\ufffd", -3.25))),),
    Usage(1, 9, 2, cost=0.1),
)


def counting(said=SAID):
    return ScriptedClient(lambda request: said)


def ask(client, request=ASKED):
    return asyncio.run(client.complete(request))


def test_the_second_time_the_disk_answers(tmp_path):
    first, second = counting(), counting()
    assert ask(CachedClient(first, tmp_path)) == SAID
    found = ask(CachedClient(second, tmp_path))
    assert found == replace(SAID, usage=Usage(1, cached=1))
    assert (len(first.requests), len(second.requests)) == (1, 0)
    assert isinstance(CachedClient(first, tmp_path), Client)


def test_what_makes_another_answer_is_another_entry(tmp_path):
    client = counting()
    cached = CachedClient(client, tmp_path)
    others = [
        replace(ASKED, messages=user("Is it not so?", "Be brief.")),
        replace(ASKED, messages=ASKED.messages[::-1]),
        replace(ASKED, max_tokens=3),
        replace(ASKED, top_logprobs=3),
        replace(ASKED, json=True),
        replace(ASKED, temperature=0.5, seed=1),
        replace(ASKED, temperature=0.5, seed=2),
    ]
    for _, request in itertools.product(range(2), [ASKED, *others]):
        ask(cached, request)
    assert len(client.requests) == 8
    ask(
        cached, replace(ASKED, task="the truth", seed=7)
    )  # told to nobody; of no matter where nothing is drawn
    assert len(client.requests) == 8
    ask(CachedClient(other := ScriptedClient([SAID]), tmp_path))
    assert len(other.requests) == 1


def test_luck_without_a_seed_is_not_kept(tmp_path):
    client = counting()
    for _ in range(2):
        ask(CachedClient(client, tmp_path), replace(ASKED, temperature=0.5))
    assert len(client.requests) == 2
    assert list(tmp_path.iterdir()) == []


def test_failures_are_not_kept(tmp_path):
    client = ScriptedClient([Unavailable("gone"), SAID])
    cached = CachedClient(client, tmp_path)
    with pytest.raises(Unavailable):
        ask(cached)
    assert ask(cached) == SAID


def damage_by(change):
    def damaged(path):
        entry = json.loads(path.read_text())
        change(entry)
        path.write_text(json.dumps(entry))

    return damaged


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:40]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff\xfe\x00"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text('"text"'),
        damage_by(lambda entry: entry["reply"].update(text="No.")),
        damage_by(lambda entry: entry.update(version=0)),
        damage_by(lambda entry: entry.pop("sha256")),
    ],
)
def test_a_damaged_entry_is_asked_anew_and_mended(tmp_path, damage):
    client = counting()
    cached = CachedClient(client, tmp_path)
    ask(cached)
    damage(cached.path(ASKED))
    assert ask(cached) == SAID
    assert len(client.requests) == 2
    assert ask(cached).usage.cached == 1


def test_answers_without_the_logprobs_that_were_asked_for_stay_counted(tmp_path):
    cached = CachedClient(counting(Reply("Yes.")), tmp_path)
    ask(cached)
    assert ask(cached).usage.without_logprobs == 1


def test_the_folder_holds_no_key_and_no_prompt(tmp_path, server, monkeypatch):
    monkeypatch.setenv("LOCAL_API_KEY", "sk-very-secret-0123")

    async def run():
        cached = CachedClient(OpenAIClient("echo-answer", server.url, "LOCAL_API_KEY"), tmp_path)
        await cached.complete(Request(user("a private question")))
        await cached.close()

    asyncio.run(run())
    [path] = tmp_path.rglob("*.json")
    assert "your key" in path.read_text()
    for file in tmp_path.rglob("*"):
        held = str(file) + (file.read_text() if file.is_file() else "")
        assert "sk-very" not in held and "private question" not in held


def test_two_processes_at_once_keep_whole_files(tmp_path):
    code = """
        import asyncio, sys
        from saesteer.llms import CachedClient, Reply, Request, complete_all, user
        from saesteer.llms.scripted import ScriptedClient

        def said(request):
            return Reply(request.messages[0].content * 500)

        client = CachedClient(ScriptedClient(said), sys.argv[1])
        requests = [Request(user(str(number % 40))) for number in range(200)]
        for reply, request in zip(asyncio.run(complete_all(client, requests, 9)), requests, strict=True):
            assert reply.text == said(request).text
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(saesteer.__file__).parents[1])}
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    processes = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [each.wait() for each in processes] == [0, 0]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 40 and not [path for path in files if path.suffix != ".json"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cache is a folder"):
        CachedClient(counting(), tmp_path / "file")


def test_a_schema_is_another_question_and_none_is_the_one_of_before(tmp_path):
    kept = CachedClient(ScriptedClient([]), tmp_path)
    plain = Request(user("x"), json=True)
    assert kept.path(plain) != kept.path(Request(user("x"), json=True, schema="{}"))
    assert kept.path(plain) == kept.path(Request(user("x"), json=True, schema=""))
