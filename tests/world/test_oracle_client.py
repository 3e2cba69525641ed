"""The oracle as a client: it answers in the prompts' format, errs as often as it is told, and understands."""

import asyncio
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from saesteer.errors import InputError
from saesteer.llms import CLIENTS, Client, Refused, Request, user
from saesteer.scorers.tasks import DetectionTask, FuzzingTask, IntruderTask, SimulationTask
from saesteer.world.oracle_client import OracleClient
from saesteer.world.surface import pieces
from saesteer.world.texts import story_about
from saesteer.world.tokens import token_labels
from saesteer.world.understanding import Meaning, intruder_among, levels_of, places, says, understood
from saesteer.world.words import CONCEPTS, lexicon


def tokens(text):
    """One per word, with the space before it."""
    return tuple(text.replace(" ", "\0 ").replace(".", "\0.").replace(",", "\0,").split("\0"))


WEDDING = tokens("The bride waltzed near the altar. Soon the streets were quite quiet.")
SEA = tokens("The sailor stood on the anchor")
DULL = tokens("The streets of Ashby were quite quiet. It was getting late in Ashby.")
CUT = tokens(" bride lost the bouquet at the")


def ask(task, top=0, **options):
    request = Request(user("whatever the prompt says"), top_logprobs=top, task=task)
    return asyncio.run(OracleClient(**options).complete(request))


def detection(windows=(WEDDING, SEA, DULL), truth=(False, True, True), explanation="a wedding"):
    return DetectionTask(explanation, windows, truth)


def test_it_is_in_the_table():
    made = CLIENTS.get("oracle")(error=0.1, seed=3, reads="activity", logprobs=False)
    assert isinstance(made, OracleClient) and isinstance(made, Client)
    assert made.name == "oracle(activity, error 0.1)"
    asyncio.run(made.close())


def test_answers_have_the_format_of_the_prompts():
    assert ask(detection(), reads="activity").text == "[0, 1, 1]"
    fuzzing = FuzzingTask("x", (WEDDING,), ((True,) * len(WEDDING),), (True,))
    assert ask(fuzzing, reads="activity").text == "[1]"
    assert ask(IntruderTask((DULL, SEA, DULL), None, 1), reads="activity").text == "[2]"
    assert ask(SimulationTask("x", SEA, tuple(range(6)), False), reads="activity").text.splitlines() == [
        f"{number}: {number - 1}" for number in range(1, 7)
    ]
    levels = ask(SimulationTask("x", SEA, (0, 0, 10, 0, 0, 1), True), reads="activity").text
    assert json.loads(levels) == {"levels": [0, 0, 10, 0, 0, 1]}


def test_what_is_no_task_is_refused():
    for task in (None, "what?", detection):
        with pytest.raises(Refused, match="detection, fuzzing, intruder, simulation"):
            ask(task)


@pytest.mark.parametrize("error", [0.0, 0.1, 0.3, 0.5, 0.9, 1.0])
def test_answers_are_wrong_as_often_as_it_is_told(error):
    windows = tuple((f" word{number}",) for number in range(3000))
    truth = tuple(number % 3 == 0 for number in range(3000))
    reply = ask(detection(windows, truth), top=5, error=error, reads="activity")
    said = np.array(json.loads(reply.text), dtype=bool)
    wrong = said != np.array(truth)
    bound = 4 * math.sqrt(error * (1 - error) / 1000)
    for part in (np.array(truth), ~np.array(truth)):
        assert wrong[part].mean() == pytest.approx(error, abs=bound)


@pytest.mark.parametrize("error", [0.1, 0.3])
def test_probabilities_are_right_about_themselves(error):
    """Of the answers that are given with about p for yes, about p are yes; half of all windows are."""
    windows = tuple((f" word{number}",) for number in range(6000))
    truth = np.arange(6000) % 2 == 0
    reply = ask(detection(windows, tuple(truth.tolist())), top=2, error=error, reads="activity")
    assert "".join(each.token for each in reply.logprobs) == reply.text
    digits = [each for each in reply.logprobs if each.token in ("0", "1")]
    for each in digits:
        probabilities = {name: math.exp(value) for name, value in each.top}
        assert probabilities.keys() == {"0", "1"} and sum(probabilities.values()) == pytest.approx(1)
        assert each.logprob == max(value for _, value in each.top)
    yes = np.array([math.exp(dict(each.top)["1"]) for each in digits])
    for low in np.arange(0, 1, 0.25):
        part = (yes >= low) & (yes < low + 0.25)
        spread = 4 * math.sqrt(0.25 / part.sum())
        assert truth[part].mean() == pytest.approx(yes[part].mean(), abs=spread)
    above = (yes[truth][:, None] > yes[~truth][None]).mean()
    assert above == pytest.approx(float(ndtr(-math.sqrt(2) * ndtri(error))), abs=0.02)


def test_the_luck_of_an_answer_does_not_depend_on_its_company():
    windows = tuple((f" word{number}",) for number in range(100))
    whole = json.loads(ask(detection(windows, (True,) * 100), error=0.5, reads="activity").text)
    alone = [
        json.loads(ask(detection((window,), (True,)), error=0.5, reads="activity").text)[0]
        for window in windows
    ]
    assert whole == alone and 20 < sum(whole) < 80
    other = json.loads(ask(detection(windows, (True,) * 100), error=0.5, seed=1, reads="activity").text)
    assert whole != other
    renamed = detection(windows, (True,) * 100, "another")
    assert whole != json.loads(ask(renamed, error=0.5, reads="activity").text)


def test_intruders_and_levels_are_wrong_as_often_as_it_is_told():
    said = [
        ask(IntruderTask(((f" {number}",), SEA, DULL, CUT), None, 2), error=0.4, reads="activity").text
        for number in range(1000)
    ]
    share = {place: said.count(f"[{place}]") / 1000 for place in (1, 2, 3, 4)}
    assert share[3] == pytest.approx(0.6, abs=0.07)
    assert [share[place] for place in (1, 2, 4)] == pytest.approx([0.4 / 3] * 3, abs=0.05)
    words = tuple(f" {number}" for number in range(2000))
    levels = json.loads(ask(SimulationTask("x", words, (7,) * 2000, True), error=0.4, reads="activity").text)
    counts = np.bincount(levels["levels"], minlength=11) / 2000
    assert counts[7] == pytest.approx(0.6, abs=0.05) and len(counts) == 11
    assert np.delete(counts, 7) == pytest.approx([0.04] * 10, abs=0.02)


def test_levels_come_with_their_probabilities():
    task = SimulationTask("x", (" a", " b"), (10, 0), False)
    reply = ask(task, top=20, error=0.1, reads="activity")
    assert "".join(each.token for each in reply.logprobs) == reply.text
    for each in reply.logprobs[1::3]:
        found = {name: math.exp(value) for name, value in each.top}
        assert found[each.token] == pytest.approx(0.9) and sum(found.values()) == pytest.approx(1)
        assert len(found) == 11


@pytest.mark.parametrize("top", [0, 1, 2])
def test_logprobs_are_given_where_they_are_asked_for(top):
    reply = ask(detection(), top=top, error=0.7, reads="activity")
    if not top:
        assert reply.logprobs is None
        return
    assert all(1 <= len(each.top) <= max(1, top) for each in reply.logprobs)
    assert all(each.token in dict(each.top) for each in reply.logprobs)
    assert ask(detection(), top=top, reads="activity", logprobs=False).logprobs is None


def test_settings_are_checked_and_in_the_fingerprint():
    options = ({}, {"error": 0.1}, {"seed": 1}, {"reads": "activity"}, {"logprobs": False})
    assert len({OracleClient(**each).fingerprint() for each in options}) == 5
    assert OracleClient().fingerprint() == OracleClient(error=0).fingerprint()
    for error in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="0 to 1"):
            OracleClient(error)
    with pytest.raises(InputError, match="activity, explanation"):
        OracleClient(reads="minds")


# Understanding


@pytest.mark.parametrize(
    ("explanation", "concepts", "phrases"),
    [
        ("a wedding", {"wedding"}, set()),
        ("weddings, and the sea", {"wedding", "sea"}, set()),
        ("Religious faith", {"faith"}, set()),
        ("the text is about fear, frightened people and the things that scare them", {"fear"}, set()),
        ("daft, dangerous advice", {"unsafe"}, set()),
        ("days of yore", {"archaic"}, set()),
        ("the words 'bride' and \"the\"", set(), {"bride", "the"}),
        ("bride, Groom or altars in sentences", set(), {"bride", "groom"}),
        ("' best man'", set(), {"best man"}),
        ("the word 'sea'", set(), {"sea"}),
        ("the bride's dress in Anna's hall", set(), {"bride"}),
        ("seasons in the seaside", set(), set()),
        ("numbers divisible by three", set(), set()),
        ("", set(), set()),
    ],
)
def test_explanations_are_understood(explanation, concepts, phrases):
    found = understood(explanation)
    assert (found.concepts, found.phrases) == (frozenset(concepts), frozenset(phrases))


@pytest.mark.parametrize("concept", CONCEPTS)
def test_every_concept_is_understood_by_name_title_and_description(concept):
    words = lexicon()[concept]
    for explanation in (concept, words.title, words.description, f"texts about {words.title}."):
        assert understood(explanation).concepts == {concept}, explanation


@pytest.mark.parametrize("concept", ["wedding", "sea", "french", "insults", "archaic"])
def test_whole_sentences_are_told_apart_as_the_grammar_labels_them(concept):
    for seed in range(4):
        story = story_about(concept, seed)
        labels = token_labels(story.sentences)[1:-1][:, CONCEPTS.index(concept)]
        words = []
        for sentence in story.sentences:
            words += [f"{' ' if space else ''}{word}" for word, space in pieces(sentence.words)]
        named, near = places(Meaning(frozenset({concept}), frozenset()), tuple(words))
        assert len(words) == len(labels)
        # a quotation mark that closes a sentence may be read as the next one's
        assert (near == labels).mean() > 0.95
        assert not (named & ~near).any() and named.any()


def test_what_a_text_holds():
    wedding, word = understood("a wedding"), understood("the word 'quite'")
    assert [says(wedding, each) for each in (WEDDING, SEA, DULL, CUT)] == [True, False, False, True]
    assert [says(word, each) for each in (WEDDING, SEA, DULL, CUT)] == [True, False, True, False]
    assert not says(understood("numbers divisible by three"), WEDDING)


def test_what_marks_hold():
    wedding, word = understood("a wedding"), understood("'quite'")
    place = WEDDING.index(" quite")
    first = [at < 7 for at in range(len(WEDDING))]
    only = [at == place for at in range(len(WEDDING))]
    assert says(wedding, WEDDING, first) and not says(wedding, WEDDING, only)
    assert says(word, WEDDING, only) and not says(word, WEDDING, first)
    assert not says(word, WEDDING, [False] * len(WEDDING))
    half = [at in (place, 0) for at in range(len(WEDDING))]
    assert says(word, WEDDING, half) and says(wedding, WEDDING, half)


def test_levels_are_10_at_what_is_named_and_5_around_it():
    assert levels_of(understood("'quite'"), WEDDING)[WEDDING.index(" quite")] == 10
    assert sum(levels_of(understood("'quite'"), WEDDING)) == 10
    found = dict(zip(WEDDING[:7], levels_of(understood("a wedding"), WEDDING), strict=False))
    assert (found[" bride"], found[" altar"], found[" near"], found["."]) == (10, 10, 5, 5)
    assert set(levels_of(understood("a wedding"), WEDDING)[7:]) == {0}


def test_phrases_are_found_across_tokens():
    split = (" the", " br", "ide", " and", " best", " man")
    named, _ = places(understood("'bride' or 'best man'"), split)
    assert named.tolist() == [False, True, True, False, True, True]
    named, _ = places(understood("'ride'"), split)
    assert not named.any()
    assert places(understood("'.'"), (" a", ".", " b"))[0].tolist() == [False, True, False]


def test_the_odd_one_is_found():
    windows = (WEDDING, CUT, SEA, tokens("The groom danced. The bride danced."))
    assert intruder_among(windows, None) == 2
    marks = tuple(tuple(each in (" bride", " quite", " groom") for each in window) for window in windows)
    assert intruder_among(windows, marks) == 2
    assert ask(IntruderTask(windows, None, 0)).text == "[3]"


def test_answers_by_the_explanation_do_not_look_at_the_truth():
    for truth in ((False, True, True), (True, False, False)):
        assert ask(detection(truth=truth)).text == "[1, 0, 0]"
        fuzzing = FuzzingTask("a wedding", (WEDDING,) * 2, ((True,) * 14, (False,) * 13 + (True,)), truth[:2])
        assert ask(fuzzing).text == "[1, 0]"
    levels = [ask(SimulationTask("'on'", SEA, (level,) * 6, True)).text for level in (0, 5)]
    assert levels == ['{"levels": [0, 0, 0, 10, 0, 0]}'] * 2


@settings(max_examples=60)
@given(st.text(), st.lists(st.text(max_size=6), max_size=12).map(tuple))
def test_any_explanation_and_any_text_are_taken(explanation, window):
    meaning = understood(explanation)
    assert isinstance(says(meaning, window), bool)
    assert len(levels_of(meaning, window)) == len(window)
    assert intruder_among((window, WEDDING, window), None) in (0, 1, 2)
