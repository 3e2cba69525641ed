"""Questions about whom and what is meant: only the story decides, by the generator's own judgement."""

import random
from collections import Counter

import pytest
import torch

from saesteer.errors import InputError
from saesteer.model import load_model
from saesteer.world.chance import Chance, Impossible
from saesteer.world.reading import read_sentence
from saesteer.world.story import HIDDEN, Teller, tell
from saesteer.world.surface import split_sentences, split_words
from saesteer.world.tracking import APART, tracking_questions

N = 80


@pytest.fixture(scope="module")
def questions():
    return tracking_questions(N)


def pairs(questions):
    return list(zip(questions[::2], questions[1::2], strict=True))


def told(text):
    """The log-probability of the last sentence where the generator can tell this beginning of a story."""
    finished, tail = split_sentences(text)
    assert not tail
    readings = [read_sentence(each) for each in finished]
    assert None not in readings
    teller = Teller(Chance(random.Random(0), HIDDEN))
    if readings[0].part == "title":
        teller.title(readings.pop(0))
    else:
        teller.title(untitled=True)
    teller.opening(readings.pop(0))
    for reading in readings:
        teller.closes(False)
        before = teller.chance.logp
        teller.body(reading)
    return teller.chance.logp - before


def test_the_generator_can_say_the_answer_and_nothing_else(questions):
    for one, other in pairs(questions):
        logps = []
        for each in (one, other):
            logps.append(told(f"{each.context} {each.choices[each.answer]}"))
            with pytest.raises(Impossible):
                told(f"{each.context} {each.choices[1 - each.answer]}")
        assert APART[0] - 1e-6 <= abs(logps[0] - logps[1]) <= APART[1] + 1e-6


def test_choices_are_well_formed_and_of_no_concept(questions):
    read = [read_sentence(choice) for each in questions for choice in each.choices]
    assert {each.part for each in read} == {"neutral"} and not any(each.concepts for each in read)


def test_a_pair_has_the_same_choices_and_each_is_right_once(questions):
    for one, other in pairs(questions):
        assert one.choices == other.choices and {one.answer, other.answer} == {0, 1}
        assert one.context != other.context and one.kind == other.kind
        assert len(split_words(one.context)) == len(split_words(other.context))
    assert {each.answer for each in questions[::2]} == {0, 1}  # the first of a pair tells nothing


COUNTS = Counter(word for seed in range(300) for each in tell(seed).sentences for word in each.words)


@pytest.mark.parametrize(
    "liking",
    [
        lambda choices: 0,
        lambda choices: max((0, 1), key=lambda at: (len(choices[at]), choices[at])),
        lambda choices: min((0, 1), key=lambda at: choices[at]),
        lambda choices: max((0, 1), key=lambda at: (sum(COUNTS[w] for w in split_words(choices[at])), at)),
    ],
    ids=["position", "length", "letters", "frequency"],
)
def test_who_does_not_read_the_story_guesses(questions, liking):
    assert sum(liking(each.choices) == each.answer for each in questions) == N / 2


def test_the_kinds_take_turns_and_another_seed_tells_other_stories(questions):
    kinds = ["name", "other", "pronoun", "town"]
    assert [each.kind for each in questions[::2]] == (kinds * N)[: N // 2]
    assert tracking_questions(12) == questions[:12]
    others = {each.context for each in tracking_questions(12, seed=1)}
    assert not others & {each.context for each in questions}


@pytest.mark.parametrize("n", [0, 7, -2])
def test_half_a_pair_is_refused(n):
    with pytest.raises(InputError, match=f"come in pairs, got {n}; give an even number from 2"):
        tracking_questions(n)


def score(lm, context, choice):
    """The log-probability of the choice behind the context."""
    before, whole = (lm.tokenizer(text)["input_ids"] for text in (context, f"{context} {choice}".strip()))
    assert whole[: len(before)] == before
    logps = lm.hf(torch.tensor([whole])).logits[0].log_softmax(-1)
    return float(sum(logps[at - 1, whole[at]] for at in range(len(before), len(whole))))


@torch.no_grad()
def test_the_worlds_model_answers_more_than_half_and_not_all(questions):
    lm = load_model("world")
    right = 0
    for each in questions[:32]:
        scores = [score(lm, each.context, choice) for choice in each.choices]
        right += scores[each.answer] > scores[1 - each.answer]
    assert 16 < right < 32
