"""A judge per concept: every request comes to its own, in its place."""

import pytest

from saesteer.errors import InputError
from saesteer.judges import JudgeRequest, load_judge
from saesteer.judges.by_concept import JudgeByConcept
from saesteer.text import Concept

SEA, DOG = (Concept(name, name, ("a b", "c d"), ("e f", "g h")) for name in ("sea", "dog"))


def both():
    return JudgeByConcept({"sea": load_judge("regex:sea"), "dog": load_judge("regex:dog")})


def test_each_request_is_judged_by_its_concepts_judge_in_its_place():
    texts = [("the sea", SEA), ("the sea", DOG), ("a dog", DOG), ("a dog", SEA)]
    said = both().judge([JudgeRequest(text, "", concept) for text, concept in texts])
    assert [each.behaviour > 0 for each in said] == [True, False, True, False]


def test_it_is_known_by_all_its_judges():
    other = JudgeByConcept({"sea": load_judge("regex:sea"), "dog": load_judge("regex:cat")})
    assert both().fingerprint() == both().fingerprint() != other.fingerprint()


def test_a_concept_without_a_judge_is_refused_before_it_is_judged():
    with pytest.raises(InputError, match="no judge was given for the concept 'cat'"):
        both().check(Concept("cat", "", ("a b",), ("c d",)))


def test_a_judge_without_a_fingerprint_is_refused():
    class Bare:
        def judge(self, requests):
            return []

    with pytest.raises(InputError, match="no fingerprint"):
        JudgeByConcept({"sea": Bare()})


def test_it_closes_those_that_hold_something():
    closed = []

    class Holding:
        def fingerprint(self):
            return "holding"

        def judge(self, requests):
            return []

        def close(self):
            closed.append(self)

    one = Holding()
    JudgeByConcept({"sea": one, "dog": load_judge("regex:dog")}).close()
    assert closed == [one]
