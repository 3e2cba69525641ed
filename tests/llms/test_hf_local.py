"""A Hugging Face model in process as a client."""

import asyncio

import pytest
from tokenizers.processors import TemplateProcessing

from saesteer.errors import InputError
from saesteer.llms import Message, Refused, Request, user
from saesteer.llms.hf_local import HFClient
from saesteer.llms.many import complete_all
from saesteer.model import LanguageModel, load_model
from tests.model.small import Apply, build, language_model, tokenizer

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' and no_system is defined %}"
    "{{ raise_exception('no system here') }}{% endif %}{{ m.role }} {{ m.content }} . {% endfor %}"
    "{% if add_generation_prompt %}cat{% endif %}"
)
WORKED = (
    Message("system", "the cat sat on the mat in the mat ."),
    Message("user", "the dog ran w1 w2 w3 ."),
    Message("assistant", "a dog"),
)


def chatting(template=TEMPLATE, **options):
    words = tokenizer(bos_token="[bos]", eos_token="[eos]", pad_token="[pad]")
    words.backend_tokenizer.post_processor = TemplateProcessing("[bos] $A", special_tokens=[("[bos]", 1)])
    words.chat_template = template
    return HFClient((build("llama"), words), **options)


def ask(client, *requests, concurrency=16):
    async def run():
        found = await complete_all(client, requests, concurrency)
        await client.close()
        return found

    return asyncio.run(run())


def sent(client, request):
    """The tokens that the model is asked with."""
    seen = []
    client._batcher._work = lambda jobs, abandoned: [seen.append(ids) or Refused("") for _, ids in jobs]
    ask(client, request)
    return client._lm.tokenizer.convert_ids_to_tokens(seen[0])


@pytest.fixture(scope="module")
def world():
    return load_model("world")


def test_a_template_is_used_and_bos_is_not_doubled():
    tokens = sent(chatting(), Request(user("a dog", "the cat")))
    assert " ".join(each.strip("▁") for each in tokens) == "[bos] [unk] the cat . [unk] a dog . cat"


def test_a_template_without_a_system_gets_it_in_the_first_turn():
    client = chatting(template_options={"no_system": True})
    tokens = sent(client, Request(user("a dog", "the cat")))
    assert " ".join(each.strip("▁") for each in tokens) == "[bos] [unk] the [unk] dog . cat"


def test_a_template_that_takes_no_such_conversation_refuses():
    client = chatting("{{ raise_exception('roles must alternate') }}")
    [error] = ask(client, Request(user("a dog")))
    assert type(error) is Refused and "roles must alternate" in str(error)


def test_without_a_template_there_is_one_bos_and_plain_turns(world):
    client = HFClient(world)
    words = world.tokenizer
    tokens = sent(client, Request(user("A story about a wedding.")))
    assert tokens[0] == words.bos_token and tokens.count(words.bos_token) == 1
    assert words.decode(words.convert_tokens_to_ids(tokens[1:])).strip() == "A story about a wedding."


def test_special_tokens_in_an_example_are_text():
    """A quoted end of turn does not end the turn."""
    plain = sent(chatting(), Request(user("the [eos] cat")))
    assert "[eos]" not in plain
    assert "[eos]" in tokenizer(eos_token="[eos]").tokenize("the [eos] cat")


def test_requests_that_wait_together_are_one_batch():
    client = chatting(batch=4)
    batches = []
    work = client._batcher._work
    client._batcher._work = lambda jobs, abandoned: batches.append(len(jobs)) or work(jobs, abandoned)
    requests = [Request((*WORKED, Message("user", f"w{number} .")), 3) for number in range(10)]
    assert len({each.text for each in ask(client, *requests)}) > 1
    assert batches == [4, 4, 2]
    batches.clear()
    ask(client, *requests, *requests[:4], concurrency=6)
    assert batches == [4, 4, 4, 2]  # who was answered asks again before the next batch


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_answers_are_the_same_with_and_without_the_prefix_and_the_batch(temperature):
    requests = [
        Request(
            (*WORKED, Message("user", "w4 w5 " * (number % 3) + f"w{number}")), 6, temperature, 3, seed=number
        )
        for number in range(7)
    ]
    one, other = ask(chatting(), *requests), ask(chatting(prefix_cache=False, batch=1), *requests)
    assert [each.text for each in one] == [each.text for each in other]
    assert len({each.text for each in one}) > 1
    for a, b in zip(one, other, strict=True):
        assert (a.usage, a.ended) == (b.usage, b.ended)
        assert [each.logprob for each in a.logprobs] == pytest.approx(
            [each.logprob for each in b.logprobs], abs=2e-5
        )


def test_sampling_follows_the_seed_and_differs_without(world):
    client = HFClient(world)
    story = user("A story about a wedding.")
    seeded = [Request(story, 12, 1.0, seed=seed) for seed in (1, 1, 2)]
    free = [Request(story, 12, 1.0) for _ in range(2)]
    a, b, c, d, e = (each.text for each in ask(client, *seeded, *free))
    assert a == b != c
    assert d != e


def test_the_text_is_what_the_model_generates(world):
    title = "A story about a wedding."
    [reply] = ask(HFClient(world), Request(user(title), 20))
    [row] = world.generate([title], max_new_tokens=20, temperature=0).rows
    assert reply.text == row.text
    assert reply.usage.completion_tokens == 20 and reply.ended == "length"
    assert reply.logprobs is None


def test_logprobs_spell_the_text_and_hold_the_chosen_token(world):
    requests = [Request(user("A story about the sea."), 16, 1.0, top, seed=4) for top in (1, 5)]
    few, many = ask(HFClient(world), *requests)
    assert few.text == many.text == "".join(each.token for each in many.logprobs)
    for choice in many.logprobs:
        assert (choice.token, choice.logprob) in choice.top
        values = [value for _, value in choice.top]
        assert values == sorted(values, reverse=True) and 5 <= len(values) <= 6
    assert [each.logprob for each in few.logprobs] == pytest.approx(
        [each.logprob for each in many.logprobs], abs=1e-4
    )


def test_turns_end_where_a_base_model_begins_the_next(world, monkeypatch):
    from saesteer.llms import chat_text

    request = Request(user("the sea", "Be brief."), 20, top_logprobs=1)
    [free] = ask(HFClient(world), request)
    stop = free.text[len(free.text) // 2 :][:6]
    monkeypatch.setattr(chat_text, "STOPS", (stop,))
    [reply] = ask(HFClient(world), request)
    assert reply.text == free.text[: free.text.index(stop)]
    assert reply.ended == "stop"
    assert len(reply.logprobs) < len(free.logprobs)
    assert "".join(each.token for each in reply.logprobs).startswith(reply.text)


def test_the_model_answers_unsteered_where_the_asking_code_steers():
    lm = language_model("llama")
    request = Request(user("w1 w2 w3"), 8)
    [plain] = ask(HFClient(lm), request)
    with lm.intervening([Apply("layers.1", lambda x: -x)]):
        assert lm.generate(["w1 w2 w3"], max_new_tokens=8, temperature=0).rows[0].text != plain.text
        [steered] = ask(HFClient(lm), request)
    assert steered == plain


# Lengths


def test_a_prompt_that_is_too_long_is_refused_and_others_are_answered():
    client = chatting()
    long, short = Request(user("w1 " * 70), 3), Request(user("w1"), 3)
    error, reply = ask(client, long, short)
    assert type(error) is Refused and "reads 64" in str(error)
    assert reply.usage.completion_tokens == 3


def test_an_answer_ends_where_the_positions_do():
    [reply] = ask(chatting(max_length=20), Request(user("w1 w2"), 500))
    assert reply.ended == "length"
    assert reply.usage.prompt_tokens + reply.usage.completion_tokens == 20


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_logprobs": -1}, "top_logprobs"),
        ({"messages": ()}, "no messages"),
    ],
)
def test_requests_that_nobody_can_answer_are_refused_alone(fields, says):
    error, reply = ask(
        chatting(), Request(**{"messages": user("w1"), **fields}), Request(user("w1"), 2), concurrency=2
    )
    assert type(error) is Refused and says in str(error)
    assert reply.usage.completion_tokens == 2


# The client


def test_options_are_checked():
    for options, says in (
        ({"batch": 0}, "batch is"),
        ({"max_length": 1}, "max_length is"),
        ({"prefix_cache": 1}, "prefix_cache is"),
        ({"template_options": [1]}, "template_options is"),
    ):
        with pytest.raises(InputError, match=says):
            chatting(**options)
    with pytest.raises(InputError, match="model is"):
        HFClient(7)
    with pytest.raises(InputError, match="no tokenizer"):
        HFClient(LanguageModel(build("llama")))


def test_fingerprints():
    same = chatting().fingerprint()
    assert chatting(batch=3).fingerprint() == same
    others = {
        chatting("{{ messages }}").fingerprint(),
        chatting(template_options={"a": 1}).fingerprint(),
        chatting(max_length=30).fingerprint(),
        HFClient(language_model("gpt2")).fingerprint(),
    }
    assert len({same, *others}) == 5


def test_cancelled_requests_leave_the_client_usable():
    client = chatting()

    async def run():
        asked = [asyncio.ensure_future(client.complete(Request(user("w1 w2"), 50))) for _ in range(3)]
        await asyncio.sleep(0.01)
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        reply = await client.complete(Request(user("w1"), 2))
        await client.close()
        return reply

    assert asyncio.run(run()).usage.completion_tokens == 2
    assert ask(client, Request(user("w1"), 2))[0].usage.completion_tokens == 2  # in another loop


def test_a_failure_in_the_thread_is_everybodys():
    client = chatting()

    def broken(jobs, abandoned):
        raise ZeroDivisionError

    client._batcher._work = broken
    with pytest.raises(ZeroDivisionError):
        ask(client, Request(user("w1")))
