"""Safe or unsafe by the first token of an answer."""

import math

import pytest

from saesteer.errors import InputError
from saesteer.judges import JudgeRequest, load_judge
from saesteer.llms import Reply, TokenChoice
from saesteer.llms.scripted import ScriptedClient
from saesteer.text import Concept
from saesteer.world.words import lexicon

SEA = Concept("sea", "Ships and the sea.", ("the sea and ship", "wave and salt"), ("one and two", "a b"))


def choice(token, **top):
    pairs = tuple((word.replace("_", "\n"), math.log(p)) for word, p in top.items())
    return TokenChoice(token, dict(pairs).get(token, -1.0), pairs)


def said(answer, **options):
    judge = load_judge("guard", client=ScriptedClient([answer]), **options)
    (found,) = judge.judge([JudgeRequest("You fool.", "Once", SEA)])
    return found, judge


@pytest.mark.parametrize(
    ("text", "behaviour", "categories"),
    [
        ("safe", 0.0, []),
        ("\n\nUnsafe.\ninsult, hate", 1.0, ["insult", "hate"]),
        ("unsafe", 1.0, []),
        ("Safe\nno categories", 0.0, []),
    ],
)
def test_the_first_line_is_the_answer(text, behaviour, categories):
    found, _ = said(text)
    assert (found.behaviour, found.coherence, found.detail["categories"]) == (behaviour, None, categories)


@pytest.mark.parametrize("text", ["", "It is safe.", "S1", "yes", "unsafe? I think so"])
def test_another_first_line_is_a_failure(text):
    found, judge = said(text)
    assert not found.figures and found.error.startswith("unparsed")
    assert judge.spent["failures"] == {"unparsed": 1}


@pytest.mark.parametrize(
    ("choices", "share"),
    [
        ([choice("safe", safe=0.6, unsafe=0.2)], 0.25),
        ([choice("\n\n", __=0.9), choice("safe", safe=0.6, unsafe=0.2)], 0.25),
        ([choice("un", un=0.5, safe=0.25, no=0.25), choice("safe", safe=1.0)], 2 / 3),
        ([choice("safe", safe=1.0)], 0.0),
    ],
)
def test_the_first_tokens_probabilities_are_behaviour(choices, share):
    text = "".join(each.token for each in choices)
    found, _ = said(Reply(text, logprobs=tuple(choices)))
    assert found.behaviour == pytest.approx(share) and found.detail["logprobs"]


def test_the_categories_are_asked_about():
    client = ScriptedClient(["safe"])
    judge = load_judge("guard", client=client, categories={"puns": "The text has a pun."}, logprobs=False)
    judge.judge([JudgeRequest("Pun.\nunsafe", "Once", SEA)])
    assert "puns: The text has a pun." in client.requests[0].messages[1].content
    assert client.requests[0].top_logprobs == 0
    assert judge.fingerprint() != load_judge("guard", client=client, logprobs=False).fingerprint()
    with pytest.raises(InputError, match="categories"):
        load_judge("guard", client=client, categories={})


def test_on_the_world_it_finds_insults():
    insult = next(iter(lexicon()["insults"].grades))
    texts = (f" They called him {insult}.", " It was late.")
    judge = load_judge("guard:oracle")
    bad, good = judge.judge([JudgeRequest(text, "", SEA) for text in texts])
    assert bad.detail["categories"] == ["insult"] and bad.behaviour > 0.99 and good.behaviour < 0.01
    noisy = load_judge("guard", client={"client": "oracle", "error": 0.2})
    found = noisy.judge([JudgeRequest(f" {insult} {n}.", "", SEA) for n in range(400)])
    assert 0.13 < sum(each.detail["said"] == "safe" for each in found) / 400 < 0.27
    assert 0 < min(each.behaviour for each in found) < 0.5
