"""Answers kept on disk."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import textwrap
import threading
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


# At the same time


class Slow:
    """Counts, and answers when it is told to; the first `failing` requests go wrong."""

    name = "slow"

    def __init__(self, failing=()):
        self.asked, self.failing, self.go = 0, list(failing), asyncio.Event()

    async def complete(self, request):
        self.asked += 1
        await self.go.wait()
        if self.failing:
            raise self.failing.pop(0)
        return SAID

    def fingerprint(self):
        return "slow"

    async def close(self):
        pass


async def settled():
    """All that can go on without the client has gone on."""
    for _ in range(50):
        await asyncio.sleep(0)


def at_once(client, folder, clients=1, count=5, request=ASKED, cancel=()):
    """The answers to as many equal requests; those of `cancel` are given up before the first is there."""

    async def run():
        cached = [CachedClient(client, folder) for _ in range(clients)]
        tasks = [asyncio.ensure_future(cached[i % clients].complete(request)) for i in range(count)]
        await settled()
        for each in cancel:
            tasks[each].cancel()
        await settled()
        client.go.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(run())


@pytest.mark.parametrize("clients", [1, 2])
def test_equal_requests_at_once_are_asked_once(tmp_path, clients):
    client = Slow()
    found = at_once(client, tmp_path, clients)
    assert client.asked == 1
    assert {(each.text, each.logprobs) for each in found} == {(SAID.text, SAID.logprobs)}
    assert [each.usage for each in found] == [SAID.usage, *[Usage(1, cached=1)] * 4]


def test_others_at_once_are_not_held_up(tmp_path):
    client = Slow()

    async def run():
        cached = CachedClient(client, tmp_path)
        requests = [ASKED, replace(ASKED, max_tokens=3), replace(ASKED, temperature=0.5)]
        tasks = [asyncio.ensure_future(cached.complete(each)) for each in (*requests, requests[-1])]
        await settled()
        asked = client.asked
        client.go.set()
        await asyncio.gather(*tasks)
        return asked

    assert asyncio.run(run()) == 4  # what is drawn without a seed is asked each time


def test_a_failure_is_that_of_all_who_waited_and_is_paid_for_once(tmp_path):
    client = Slow([Unavailable("gone", Usage(1, 7, cost=0.5, retries=2))])
    found = at_once(client, tmp_path)
    assert client.asked == 1 and {(type(each), str(each)) for each in found} == {(Unavailable, "gone")}
    assert [each.usage for each in found] == [Usage(1, 7, cost=0.5, retries=2), *[Usage(1)] * 4]
    assert at_once(client, tmp_path, count=1) == [SAID] and client.asked == 2  # it is not kept


def test_who_is_cancelled_leaves_the_others_their_answer(tmp_path):
    waiting = Slow()
    found = at_once(waiting, tmp_path / "a", cancel=[2, 3])
    assert waiting.asked == 1 and [type(each).__name__ for each in found[2:4]] == ["CancelledError"] * 2
    assert [each.text for each in (*found[:2], found[4])] == [SAID.text] * 3
    asking = Slow()
    found = at_once(asking, tmp_path / "b", cancel=[0])
    assert asking.asked == 2  # another has asked in its place
    assert [type(each).__name__ for each in found] == ["CancelledError", *["Reply"] * 4]


def test_a_defect_of_the_client_is_its_own_and_another_asks(tmp_path):
    client = Slow([ValueError("odd")])
    found = at_once(client, tmp_path, count=3)
    assert client.asked == 2 and [type(each).__name__ for each in found] == ["ValueError", "Reply", "Reply"]


def test_also_in_another_loop_at_the_same_time(tmp_path):
    began, go, asked = threading.Event(), threading.Event(), []

    class Elsewhere(Slow):
        async def complete(self, request):
            asked.append(request)
            began.set()
            await asyncio.to_thread(go.wait)
            return SAID

    def thread():
        first.append(ask(CachedClient(Elsewhere(), tmp_path)))

    async def here():
        task = asyncio.ensure_future(CachedClient(Elsewhere(), tmp_path).complete(ASKED))
        await settled()
        go.set()
        return await task

    first = []
    other = threading.Thread(target=thread)
    other.start()
    assert began.wait(20)
    found = asyncio.run(here())
    other.join()
    assert (len(asked), first, found.text, found.usage.cached) == (1, [SAID], SAID.text, 1)


def test_a_schema_is_another_question_and_none_is_the_one_of_before(tmp_path):
    kept = CachedClient(ScriptedClient([]), tmp_path)
    plain = Request(user("x"), json=True)
    assert kept.path(plain) != kept.path(Request(user("x"), json=True, schema="{}"))
    assert kept.path(plain) == kept.path(Request(user("x"), json=True, schema=""))
