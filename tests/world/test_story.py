"""The generator: its counts, its exact probability, its continuity."""

import math
import random
from collections import Counter
from itertools import pairwise

import pytest

from saesteer.world.chance import Chance, Dist, Impossible
from saesteer.world.patterns import patterns, signature_table
from saesteer.world.reading import judge_text
from saesteer.world.story import P_STAY, retell, tell
from saesteer.world.words import CONCEPT_CLASSES, CONCEPTS, lexicon


@pytest.fixture(scope="module")
def told():
    return [tell(seed) for seed in range(2000)]


def test_the_world_is_as_large_as_promised():
    lex = lexicon()
    assert len(CONCEPTS) >= 24
    for concept in lex.concepts.values():
        # Lemmas, not forms: nouns without the plurals of listed ones, and adjectives; verbs not even counted.
        nouns = {w for kind in ("thing", "stuff", "person", "place") for w in concept.classes[kind]}
        plurals = {w for w in concept.classes["things"] if w.removesuffix("s") not in nouns}
        assert len(nouns | plurals | set(concept.classes["quality"])) >= 30, concept.name
        assert set(concept.classes) == set(CONCEPT_CLASSES)
    named = set().union(*(lex.names[k] for k in ("female", "male", "town")))
    assert len(set(lex.entries) - named) >= 2000
    assert len(patterns()) >= 200


def test_at_least_two_in_five_concept_sentences_stand_in_shared_frames(told):
    parts = Counter(s.reading.part for story in told for s in story.sentences if s.reading.concept)
    assert parts["shared"] / sum(parts.values()) >= 0.4


def test_stories_have_five_to_fifteen_sentences(told):
    lengths = [len(story.sentences) for story in told]
    assert min(lengths) >= 5
    assert max(lengths) <= 15


def test_every_sentence_reads_back_as_it_was_told(told):
    sentences = 0
    for story in told:
        verdicts = judge_text(story.text).sentences
        assert [v.reading for v in verdicts] == [s.reading for s in story.sentences]
        sentences += len(verdicts)
    assert sentences > 15_000


def test_no_two_patterns_of_one_owner_share_a_signature():
    for signature, found in signature_table().items():
        owners = [p.owner for p in found]
        assert len(set(owners)) == len(owners) and (None not in owners or len(owners) == 1), signature


def test_walking_through_a_story_gives_the_probability_it_was_drawn_with(told):
    for story in told[:500]:
        readings = [v.reading for v in judge_text(story.text).sentences]
        assert retell(readings) == pytest.approx(story.logp, abs=1e-9)


def test_the_hidden_register_is_summed_over():
    hidden = Dist({"a": 0.5, "b": 0.5})
    dists = {"a": Dist({"x": 1.0}), "b": Dist({"x": 0.5, "y": 0.5})}
    chance = Chance(random.Random(0), hidden)
    chance.draw_hidden(dists, "x")
    chance.draw_hidden(dists, "x")
    assert chance.logp == pytest.approx(math.log(0.5 * 1 + 0.5 * 0.25))


def test_drawing_without_replacement_renormalises():
    chance = Chance(random.Random(0), Dist({"-": 1.0}))
    chance.draw(Dist({"x": 0.5, "y": 0.25, "z": 0.25}), "y", without={"x"})
    assert chance.logp == pytest.approx(math.log(0.5))


def test_probabilities_match_frequencies():
    dist = Dist({"x": 3.0, "y": 1.0})
    rng = random.Random(1)
    counts = Counter(dist.sample(rng) for _ in range(20_000))
    assert counts["x"] / 20_000 == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize(("old", "new", "what"), [("She ", "He ", "pronoun"), ("He ", "She ", "pronoun")])
def test_a_wrong_pronoun_is_impossible(told, old, new, what):
    for story in told:
        text = story.text.replace(old, new)
        readings = [v.reading for v in judge_text(text).sentences]
        if text != story.text and None not in readings:
            with pytest.raises(Impossible) as error:
                retell(readings)
            assert error.value.what == what
            return
    raise AssertionError("no story had such a pronoun")


def test_a_stranger_of_a_name_and_another_town_are_impossible(told):
    story = next(s for s in told if s.sentences[-1].reading.pattern.has("town"))
    town = next(v for v in story.sentences[-1].reading.values if v in lexicon().names["town"])
    other = next(t for t in lexicon().names["town"] if t != town)
    last = " ".join(story.sentences[-1].words)
    text = story.text[: -len(story.text.split(". ")[-1])] + story.text.split(". ")[-1].replace(town, other)
    assert town in last and text != story.text
    with pytest.raises(Impossible) as error:
        retell([v.reading for v in judge_text(text).sentences])
    assert error.value.what == "town"


def test_time_never_runs_backwards(told):
    order = ["morning", "afternoon", "evening", "night"]
    table = {c: order.index(k) for k, cs in lexicon().connectives.items() if k in order for c in cs}
    for story in told:
        times = [table[c] for s in story.sentences if (c := s.reading.connective) in table]
        assert times == sorted(times)


def test_the_same_seed_tells_the_same_story():
    assert tell(5) == tell(5)
    assert tell(5).text != tell(6).text


def test_a_topic_stays(told):
    stays, moves = 0, 0
    for story in told:
        topics = [s.reading.topic for s in story.sentences if s.reading.topic and s.reading.part != "closing"]
        for before, after in pairwise(topics):
            stays += before == after
            moves += before != after
    assert stays / (stays + moves) == pytest.approx(P_STAY, abs=0.01)
