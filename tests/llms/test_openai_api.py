"""The client for OpenAI's protocol against a real server that also misbehaves."""

import asyncio
import itertools
import logging
import sys
import traceback
from dataclasses import replace

import openai
import pytest

from saesteer.errors import InputError, MissingExtra
from saesteer.llms import (
    BadReply,
    Message,
    RateLimited,
    Refused,
    Reply,
    Request,
    TimedOut,
    TokenChoice,
    Unavailable,
    Usage,
    user,
)
from saesteer.llms.many import complete_all
from saesteer.llms.openai_api import OpenAIClient

QUESTION = Request(user("Is it so?", "Be brief."), max_tokens=7)
WITH_LOGPROBS = Request(user("Is it so?"), top_logprobs=2)
KEY = "sk-very-secret-0123"
fresh = itertools.count()


def ask(server, model, request=QUESTION, **options):
    """The reply or the error, and the requests that arrived."""
    kind, colon, argument = model.partition(":")
    model = f"{kind}#{next(fresh)}{colon}{argument}"

    async def run():
        client = OpenAIClient(model, server.url, **{"first_wait": 0.001, "retries": 2, **options})
        try:
            return await client.complete(request)
        except Exception as error:
            return error
        finally:
            await client.close()

    return asyncio.run(run()), server.seen(model)


def test_a_request_and_its_reply(server):
    messages = (Message("system", "Be brief."), Message("user", "A?"), Message("assistant", "B."))
    request = Request((*messages, Message("user", "C?")), 9, 0.5, json=True, seed=3, task="secret task")
    reply, arrived = ask(server, "fine", request, prices=(2.0, 10.0), extra={"top_p": 0.9})
    assert reply == Reply("Yes.", usage=reply.usage)
    assert (reply.usage.requests, reply.usage.prompt_tokens, reply.usage.completion_tokens) == (1, 100, 10)
    assert reply.usage.cost == pytest.approx(100 * 2e-6 + 10 * 10e-6)
    assert (reply.usage.retries, reply.usage.uncounted, reply.usage.without_logprobs) == (0, 0, 0)
    [one] = arrived
    sent = one["body"]
    assert one["path"] == "/v1/chat/completions"
    assert sent.pop("model").startswith("fine#")
    assert sent.pop("messages") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "A?"},
        {"role": "assistant", "content": "B."},
        {"role": "user", "content": "C?"},
    ]
    assert sent == {
        "temperature": 0.5, "max_tokens": 9, "seed": 3, "top_p": 0.9,
        "response_format": {"type": "json_object"},
    }  # fmt: skip


def test_extra_takes_fields_out_and_the_limit_has_other_names(server):
    _, [one] = ask(server, "fine", extra={"temperature": None}, limit_field="max_completion_tokens")
    assert set(one["body"]) == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize("model", ["uncounted", "odd-usage"])
def test_what_the_server_does_not_count_is_not_made_up(server, model):
    reply, _ = ask(server, model, prices=(1.0, 1.0))
    assert (reply.usage.uncounted, reply.usage.prompt_tokens, reply.usage.cost) == (1, 0, None)


def test_an_answer_that_was_cut_short_says_so(server):
    assert ask(server, "long")[0].ended == "length"
    spent = ask(server, "spent")[0]
    assert (spent.text, spent.ended) == ("", "length")


# Asking again


@pytest.mark.parametrize("model", ["once:500", "once:503", "once:429", "once:408", "cut-once"])
def test_what_passes_is_asked_again(server, model):
    reply, arrived = ask(server, model)
    assert (reply.text, reply.usage.retries, len(arrived)) == ("Yes.", 1, 2)
    assert arrived[0]["body"] == arrived[1]["body"]


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("always:500", Unavailable),
        ("always:529", Unavailable),
        ("html:502", Unavailable),
        ("always:429", RateLimited),
        ("error-in-body", Unavailable),
        ("cut", Unavailable),
    ],
)
def test_what_does_not_pass_is_given_up_after_the_last_retry(server, model, kind):
    error, arrived = ask(server, model)
    assert type(error) is kind
    assert len(arrived) == 3
    assert "\n" not in str(error) and "\x1b" not in str(error)


@pytest.mark.parametrize(
    ("model", "kind", "says"),
    [
        ("always:400", Refused, "this is 400"),
        ("always:401", Refused, "this is 401"),
        ("always:403", Refused, "this is 403"),
        ("always:404", Refused, "this is 404"),
        ("always:422", Refused, "this is 422"),
        ("too-long", Refused, "maximum context length"),
        ("quota", Refused, "quota is used up"),
        ("filtered", Refused, "filter"),
        ("refusing", Refused, "I won't."),
        ("elsewhere", Refused, "sends requests elsewhere"),
        ("malformed", BadReply, "not JSON"),
        ("html", BadReply, "not JSON"),
        ("a-list", BadReply, "no JSON object"),
        ("no-choices", BadReply, "no choices, only the fields id, object"),
        ("empty-choices", BadReply, "no choices"),
        ("no-message", BadReply, "no message"),
        ("no-text", BadReply, "no text"),
    ],
)
def test_what_no_retry_mends_is_asked_once(server, model, kind, says):
    error, arrived = ask(server, model)
    assert type(error) is kind
    assert says in str(error)
    assert len(arrived) == 1


@pytest.mark.parametrize("model", ["slow", "trickle"])
def test_an_answer_that_does_not_end_is_timed_out(server, clock, model):
    """And asked for again; on a busy machine an attempt may be over before it arrives."""
    error, arrived = ask(server, model, timeout=0.3, retries=1, clock=clock)
    assert type(error) is TimedOut and "within 0.3 s" in str(error)
    assert len(clock.slept) == 1
    assert len(arrived) <= 2


def test_a_server_that_is_not_there(server):
    class Nobody:
        url = "http://127.0.0.1:9/v1"

        @staticmethod
        def seen(model):
            return []

    error, _ = ask(Nobody, "fine")
    assert type(error) is Unavailable and "127.0.0.1:9" in str(error)


def test_retry_after_in_seconds_and_as_a_date(server, clock):
    reply, arrived = ask(server, "limited:7", clock=clock)
    assert (reply.text, len(arrived)) == ("Yes.", 2)
    assert clock.slept == [7]
    clock.slept.clear()
    reply, arrived = ask(server, "limited:date", clock=clock)
    assert (reply.text, len(arrived)) == ("Yes.", 2)
    [slept] = clock.slept
    assert slept <= 30  # the date lies half a minute ahead of the server's own clock


def test_a_wait_that_is_too_long_is_not_waited_for(server, clock):
    error, arrived = ask(server, "limited:3600", clock=clock)
    assert type(error) is RateLimited and "asks to wait 3600 s" in str(error)
    assert (len(arrived), clock.slept) == (1, [])


@pytest.mark.parametrize(("asked", "said"), [("1e99", "more than a day"), ("86400", "86400 s")])
def test_a_wait_that_no_one_waits_for_is_said_in_words(server, clock, asked, said):
    error, _ = ask(server, f"limited:{asked}", clock=clock)
    assert f"asks to wait {said}" in str(error) and len(str(error)) < 200


def test_waits_double_up_to_the_longest(server, clock):
    ask(server, "always:500", clock=clock, retries=6, first_wait=1.0, longest_wait=5.0)
    limits = [1, 2, 4, 5, 5, 5]
    assert all(limit / 2 <= slept <= limit for slept, limit in zip(clock.slept, limits, strict=True))


def test_others_wait_too_when_the_server_asks_for_it(server, clock):
    """Two may ask at once; while one waits as it was told, the other does not ask either."""
    waits = asyncio.Event()
    sleep = clock.sleep

    async def held(seconds):
        await sleep(0)
        clock.slept[-1] = seconds
        await waits.wait()
        await sleep(0)

    async def run():
        client = OpenAIClient("limited#both:50", server.url, concurrency=2, clock=clock)
        first = asyncio.ensure_future(client.complete(QUESTION))
        while not clock.slept:
            await asyncio.sleep(0.01)
        second = asyncio.ensure_future(client.complete(QUESTION))
        while len(clock.slept) < 2 and not second.done():
            await asyncio.sleep(0.01)
        arrived = len(server.seen("limited#both:50"))
        waits.set()
        found = [await first, await second]
        await client.close()
        return arrived, found

    clock.sleep = held
    arrived, found = asyncio.run(run())
    assert arrived == 1
    assert clock.slept[0] == 50 and clock.slept[1] > 49
    assert [each.text for each in found] == ["Yes."] * 2


def test_no_more_at_once_than_allowed(server):
    async def run():
        client = OpenAIClient("fine#many", server.url, concurrency=3)
        running, most = 0, 0
        attempt = client._attempt

        async def counted(*given):
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                return await attempt(*given)
            finally:
                running -= 1

        client._attempt = counted
        found = await complete_all(client, [QUESTION] * 12, 12)
        await client.close()
        return found, most

    found, most = asyncio.run(run())
    assert [each.text for each in found] == ["Yes."] * 12
    assert most == 3
    assert len(server.seen("fine#many")) == 12


def test_a_client_outlives_its_loop(server):
    client = OpenAIClient("fine#loops", server.url, concurrency=1)

    async def run():
        found = await complete_all(client, [QUESTION] * 3, 3)
        await client.close()
        return found

    assert len(asyncio.run(run()) + asyncio.run(run())) == 6
    assert len(server.seen("fine#loops")) == 6


# What failures cost

TOLD = Usage(1, 100, 10, cost=pytest.approx(100 * 2e-6 + 10 * 10e-6))


@pytest.mark.parametrize(
    ("model", "spent"),
    [
        ("filtered", TOLD),
        ("refusing", TOLD),
        ("no-text", TOLD),
        ("no-message", TOLD),
        ("no-choices", Usage(1, uncounted=1)),
        ("malformed", Usage(1, uncounted=1)),
        ("always:400", Usage(1)),
        ("quota", Usage(1)),
        ("always:500", Usage(1, retries=2)),
        ("always:429", Usage(1, retries=2)),
        ("error-in-body", Usage(1, retries=2)),
        ("cut", Usage(1, retries=2, uncounted=3)),
    ],
)
def test_what_failed_says_what_it_took(server, model, spent):
    error, _ = ask(server, model, prices=(2.0, 10.0))
    assert error.usage == spent


def test_attempts_before_an_answer_count(server, clock):
    reply, _ = ask(server, "cut-once", prices=(2.0, 10.0))
    assert reply.usage == replace(TOLD, retries=1, uncounted=1)
    late, _ = ask(server, "slow", timeout=0.3, retries=1, clock=clock)
    assert late.usage == Usage(1, retries=1, uncounted=2)


def test_a_server_that_is_not_there_has_answered_nothing(server):
    class Nobody:
        url = "http://127.0.0.1:9/v1"

        @staticmethod
        def seen(model):
            return []

    error, _ = ask(Nobody, "fine")
    assert error.usage == Usage(1, retries=2)


# Log-probabilities


def test_logprobs_with_their_alternatives(server):
    reply, [one] = ask(server, "logprobs", WITH_LOGPROBS)
    assert reply.logprobs == (
        TokenChoice("Yes", -0.5, (("Yes", -0.5), ("No", -1.5))),
        TokenChoice(".", -0.1, ((".", -0.1), ("No", -1.5))),
    )
    assert (one["body"]["logprobs"], one["body"]["top_logprobs"]) == (True, 2)
    assert reply.usage.without_logprobs == 0
    assert ask(server, "logprobs")[0].logprobs is None  # none were asked for


def test_logprobs_that_are_a_little_different(server):
    tokens = [each.token for each in ask(server, "logprobs-end", WITH_LOGPROBS)[0].logprobs]
    assert tokens == ["Yes", "."]
    assert ask(server, "logprobs-space", WITH_LOGPROBS)[0].logprobs[0].token == " Yes"
    [outside] = ask(server, "logprobs-chosen-outside", WITH_LOGPROBS)[0].logprobs
    assert outside.top == (("No", -0.1), ("Yes", -9.0))
    assert len(ask(server, "logprobs-bytes", WITH_LOGPROBS)[0].logprobs) == 2


@pytest.mark.parametrize("model", ["missing", "short", "twice", "null", "odd"])
def test_logprobs_that_are_not_those_of_the_text_are_left_out_and_counted(server, model):
    reply, arrived = ask(server, f"logprobs-{model}", WITH_LOGPROBS)
    assert (reply.text, reply.logprobs, len(arrived)) == ("Yes.", None, 1)
    assert reply.usage.without_logprobs == 1


# The key


def test_a_server_of_this_machine_needs_no_key_and_gets_none(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "my-organization")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: secret")
    _, [one] = ask(server, "fine")
    sent = {name.lower(): value for name, value in one["headers"].items()}
    assert set(sent) <= {
        "host", "accept", "accept-encoding", "connection", "content-length", "content-type", "user-agent",
        "x-stainless-raw-response",
    }  # fmt: skip


def test_a_key_that_is_named_for_the_address_goes_there_and_no_further(servers, monkeypatch):
    server, other = servers
    monkeypatch.setenv("LOCAL_API_KEY", KEY)
    _, [one] = ask(server, "fine", key_env="LOCAL_API_KEY")
    assert one["headers"]["authorization"] == f"Bearer {KEY}"
    error, [one] = ask(server, "elsewhere", key_env="LOCAL_API_KEY")
    assert one["headers"]["authorization"] == f"Bearer {KEY}"
    assert type(error) is Refused
    assert other.seen(one["body"]["model"]) == []


def test_the_key_stays_off_other_hosts_whoever_asks(server, monkeypatch):
    """Also where the package itself would go elsewhere: the last look is at the address."""
    monkeypatch.setenv("LOCAL_API_KEY", KEY)

    async def run():
        client = OpenAIClient("fine#strays", server.url, key_env="LOCAL_API_KEY")
        session = client._here()
        await session.api.chat.completions.with_raw_response.create(model="fine#stays", messages=[])
        session.api.base_url = server.url.replace("127.0.0.1", "localhost")
        await session.api.chat.completions.with_raw_response.create(model="fine#strays", messages=[])
        await client.close()

    asyncio.run(run())
    assert server.seen("fine#stays")[0]["headers"]["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in server.seen("fine#strays")[0]["headers"]


@pytest.mark.parametrize("model", ["echo-key", "echo-answer", "fine", "always:500", "malformed"])
def test_the_key_shows_nowhere(server, monkeypatch, caplog, model):
    monkeypatch.setenv("LOCAL_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    found, [one, *_] = ask(server, model, key_env="LOCAL_API_KEY")
    assert one["headers"]["authorization"] == f"Bearer {KEY}"
    client = OpenAIClient(model, server.url, key_env="LOCAL_API_KEY")
    shown = [repr(client), client.name, client.fingerprint(), str(vars(client)), repr(found), caplog.text]
    if isinstance(found, Exception):
        shown += traceback.format_exception(found)
        assert not isinstance(found.__context__, openai.OpenAIError)  # whose requests hold headers
    assert not [each for each in shown if KEY in each]
    if model.startswith("echo"):
        assert "***" in repr(found)


# What is refused before anything is sent


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": " "}, "model is"),
        ({"concurrency": 0}, "concurrency is a whole number from 1"),
        ({"timeout": 0}, "timeout is a number above 0"),
        ({"timeout": "long"}, "timeout is a number"),
        ({"retries": -1}, "retries is"),
        ({"longest_wait": float("inf")}, "longest_wait is"),
        ({"prices": (1.0,)}, "prices is two numbers"),
        ({"prices": (1.0, -1.0)}, "prices are numbers from 0"),
        ({"extra": {"messages": []}}, "extra cannot change messages"),
        ({"extra": {"stop": object()}}, "cannot be recorded"),
        ({"extra": ["stop"]}, "extra is a mapping"),
    ],
)
def test_options_are_checked_early_and_named(options, says):
    with pytest.raises(InputError, match=says):
        OpenAIClient(**{"model": "m", "base_url": "http://127.0.0.1:9/v1", **options})


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtra, match=r"saesteer\[openai\]"):
        OpenAIClient("m", "http://127.0.0.1:9/v1")


def test_half_a_surrogate_pair_is_refused(server):
    error, arrived = ask(server, "fine", Request(user("\ud800")))
    assert type(error) is Refused and not arrived


def test_fingerprints_tell_models_addresses_and_fields_apart(monkeypatch):
    def print_of(model="m", url="http://127.0.0.1:9/v1", **options):
        return OpenAIClient(model, url, **options).fingerprint()

    monkeypatch.setenv("LOCAL_API_KEY", KEY)
    same = {print_of(), print_of(key_env="LOCAL_API_KEY"), print_of(retries=0, timeout=1.0, concurrency=2)}
    assert len(same) == 1
    assert (
        len({*same, print_of("n"), print_of(url="http://127.0.0.1:8/v1"), print_of(extra={"top_p": 1})}) == 4
    )


def test_a_schema_is_asked_for_in_place_of_plain_json():
    from saesteer.llms.openai_reply import request_body

    schema = '{"type": "object"}'
    found = request_body(Request(user("x"), json=True, schema=schema))["response_format"]
    assert found["type"] == "json_schema" and found["json_schema"]["strict"] is True
    assert found["json_schema"]["schema"] == {"type": "object"}
    assert request_body(Request(user("x"), json=True))["response_format"] == {"type": "json_object"}


def test_a_judges_form_reaches_the_server_as_response_format(server):
    """As vLLM's OpenAI-compatible server takes a schema."""
    from saesteer.judges import JudgeRequest, load_judge
    from saesteer.text import Concept

    name = "fine#schema"
    judge = load_judge(f"llm:openai:{name}@{server.url}", criteria=["coherence"])
    judge.judge(
        [
            JudgeRequest(
                "A text.", "Once", Concept("sea", "Ships.", ("the sea", "a ship"), ("one and two", "a b"))
            )
        ]
    )
    judge.close()
    [seen] = server.seen(name)
    found = seen["body"]["response_format"]
    assert found["type"] == "json_schema" and set(found["json_schema"]) == {"name", "strict", "schema"}
    assert found["json_schema"]["schema"]["properties"]["coherence"]["enum"] == list(range(1, 11))
