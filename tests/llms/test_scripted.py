"""The scripted client, and many requests at once."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import saesteer
from saesteer.errors import InputError, UnknownName
from saesteer.llms import Client, RateLimited, Refused, Reply, Request, TokenChoice, Unavailable, user
from saesteer.llms.many import complete_all
from saesteer.llms.scripted import ScriptedClient

ONE = Request(user("one"))


def ask(client, *requests, concurrency=1):
    return asyncio.run(complete_all(client, requests, concurrency))


def test_answers_in_order_of_every_kind():
    client = ScriptedClient(["a", Reply("b", "length"), RateLimited("later")])
    assert isinstance(client, Client)
    *replies, limited, over = ask(client, *[ONE] * 4)
    assert replies == [Reply("a"), Reply("b", "length")]
    assert (type(limited), str(limited)) == (RateLimited, "later")
    assert type(over) is Refused and "number 4" in str(over)
    assert client.requests == [ONE] * 4


def test_answers_by_a_function():
    client = ScriptedClient(lambda request: request.messages[-1].content.upper())
    assert ask(client, ONE, Request(user("two")))[1].text == "TWO"


def test_one_text_is_no_list_of_answers():
    with pytest.raises(InputError, match="list of answers"):
        ScriptedClient("a")


def script(tmp_path, *lines):
    path = tmp_path / "script.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def test_a_script_file(tmp_path):
    lines = [
        {"text": "first"},
        {"when": "wedding", "text": "a wedding"},
        {"text": "x", "ended": "length", "logprobs": [["x", -0.5, [["x", -0.5], ["y", -1.5]]], ["!", -1]]},
        {"when": "stop", "error": "unavailable", "message": "gone"},
    ]
    client = ScriptedClient.from_file(script(tmp_path, *lines))
    asked = [ONE, Request(user("a wedding", "system")), ONE, Request(user("stop it")), ONE]
    first, wedding, second, gone, over = ask(client, *asked)
    assert [first.text, wedding.text, second.text] == ["first", "a wedding", "x"]
    assert second.logprobs == (TokenChoice("x", -0.5, (("x", -0.5), ("y", -1.5))), TokenChoice("!", -1.0))
    assert second.ended == "length"
    assert type(gone) is Unavailable and str(gone) == "gone"
    assert type(over) is Refused


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"txt": "a"}, "line 1: unknown txt"),
        ({"text": 1}, "line 1: 'text' is a text"),
        ({"text": "a", "ended": "soon"}, "'ended' is stop or length"),
        ({"text": "a", "logprobs": [["a"]]}, "line 1: 'logprobs' holds lists"),
        ({"text": "a", "logprobs": [["a", "b"]]}, "finite number"),
        ({"text": "a", "when": 1}, "'when' is a text"),
    ],
)
def test_a_script_that_is_none_is_refused_by_line(tmp_path, line, says):
    with pytest.raises(InputError, match=says):
        ScriptedClient.from_file(script(tmp_path, line))


def test_scripts_without_lines_or_with_unknown_errors(tmp_path):
    with pytest.raises(InputError, match="no lines"):
        ScriptedClient.from_file(script(tmp_path))
    with pytest.raises(UnknownName, match="did you mean 'unavailable'"):
        ScriptedClient.from_file(script(tmp_path, {"error": "unavailible"}))
    with pytest.raises(InputError, match="there is no file"):
        ScriptedClient.from_file(str(tmp_path / "none.jsonl"))


def test_fingerprints_are_of_the_answers(tmp_path):
    a, b = ScriptedClient(["a"]), ScriptedClient(["b"])
    assert a.fingerprint() == ScriptedClient(["a"]).fingerprint() != b.fingerprint()
    assert ScriptedClient([Refused("a")]).fingerprint() != a.fingerprint()
    filed = ScriptedClient.from_file(script(tmp_path, {"text": "a", "when": "x"})).fingerprint()
    assert filed != ScriptedClient.from_file(script(tmp_path, {"text": "a"})).fingerprint()


# Many at once


class Slow:
    """Answers the later requests first."""

    name = "slow"

    def __init__(self):
        self.running, self.most, self.cancelled = 0, 0, 0

    async def complete(self, request):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(100 - request.max_tokens):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        if request.max_tokens % 7 == 0:
            raise Unavailable("seven")
        if request.max_tokens == 50:
            raise ZeroDivisionError
        return Reply(str(request.max_tokens))


def test_outcomes_come_in_the_order_of_the_requests():
    client, seen = Slow(), []
    numbers = range(1, 40)
    requests = [Request((), number) for number in numbers]
    found = asyncio.run(complete_all(client, requests, 5, lambda number, each: seen.append(number)))
    told = ["seven" if number % 7 == 0 else str(number) for number in numbers]
    assert [str(each) if isinstance(each, Unavailable) else each.text for each in found] == told
    assert client.most == 5
    assert sorted(seen) == list(range(39)) != seen
    assert asyncio.run(complete_all(client, [])) == []


def test_another_exception_ends_all():
    client = Slow()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(complete_all(client, [Request((), number) for number in (50, 1, 1, 1)], 3))
    assert (client.running, client.cancelled) == (0, 2)


def _heard() -> None:
    """What runs in the background is born deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_leaves_nothing_running():
    code = """
        import asyncio, sys
        from saesteer.llms import Request
        from saesteer.llms.many import complete_all

        class Waits:
            async def complete(self, request):
                print("began", flush=True)
                try:
                    await asyncio.sleep(600)
                finally:
                    await asyncio.sleep(0)
                    print("ended", flush=True)

        try:
            asyncio.run(complete_all(Waits(), [Request(())] * 9, 3))
        except KeyboardInterrupt:
            print("stopped", flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(saesteer.__file__).parents[1])},
        preexec_fn=_heard,
    )
    began = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert began == ["began\n"] * 3
    assert rest == "ended\n" * 3 + "stopped\n"
    assert errors == ""
