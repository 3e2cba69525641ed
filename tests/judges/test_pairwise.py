"""Pairs in both orders, the judge's bias for a place, and ratings whose truth is known."""

import json

import numpy as np
import pytest

from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation.tournament import tournament
from saesteer.judges import JudgeRequest
from saesteer.judges.pairwise import Comparison, PairwiseJudge, position_bias
from saesteer.judges.ratings import Game, bradley_terry, ratings
from saesteer.llms.scripted import ScriptedClient
from saesteer.text import Concept, load_concept

SEA = Concept("sea", "Ships and the sea.", ("the sea and ship", "wave and salt"), ("one and two", "a b"))


def judge(decide, **options):
    def answer(request):
        found = decide(request.task.first.text, request.task.second.text)
        return found if found.startswith("{") or found == "?" else json.dumps({"answer": found})

    return PairwiseJudge(ScriptedClient(answer), **options)


def longer(one, other):
    return "tie" if len(one) == len(other) else "A" if len(one) > len(other) else "B"


def pair(one, other):
    return JudgeRequest(one, "Once", SEA), JudgeRequest(other, "Once", SEA)


def test_both_orders_are_asked_and_agree():
    made = judge(longer)
    found = made.compare([pair("abc", "a"), pair("a", "abc"), pair("a", "b")])
    assert [each.winner for each in found] == ["A", "B", "tie"]
    assert [each.points for each in found] == [1.0, 0.0, 0.5]
    assert [each.leans for each in found] == [0.0, 0.0, 0.0]
    assert made.spent["requests"] == 4  # the first two pairs ask the same


def test_a_judge_that_likes_the_first_place_finds_only_ties():
    found = judge(lambda one, other: "A").compare([pair("abc", "a"), pair("a", "b")])
    assert [each.winner for each in found] == ["tie", "tie"]
    assert position_bias(found, ["p", "q"]).estimate == 1.0
    found = judge(lambda one, other: "B").compare([pair("abc", "a"), pair("a", "b")])
    assert position_bias(found, ["p", "q"]).estimate == -1.0


def test_bias_has_an_interval_over_prompts():
    found = [Comparison("A", "B"), Comparison("A", "A"), Comparison("tie", "tie"), Comparison("A", "tie")]
    bias = position_bias(found, list("pqrs"))
    assert bias.estimate == pytest.approx((1 + 0 + 0 + 0.5) / 4) and bias.low < bias.estimate < bias.high


def test_an_order_that_fails_takes_its_pair_along():
    made = judge(lambda one, other: "?" if one == "a" else "A")
    found = made.compare([pair("abc", "a"), pair("ab", "abcd")])
    assert found[0].winner is None and "unparsed" in found[0].error and found[1].error is None
    assert made.spent["failures"] == {"unparsed": 1}
    with pytest.raises(SaesteerError, match="all 1 comparisons failed"):
        position_bias(found[:1], ["p"])


@pytest.mark.parametrize("answer", ['{"answer": "C"}', '{"answer": "a"}', '{"winner": "A"}'])
def test_other_answers_are_failures(answer):
    assert judge(lambda one, other: answer).compare([pair("a", "b")])[0].winner is None


def test_what_changes_answers_changes_the_fingerprint():
    client = ScriptedClient([])
    made = [
        PairwiseJudge(client, *each).fingerprint() for each in ((), ("coherence",), ("x: It is so.",), ())
    ]
    assert len(set(made)) == 3 and made[0] == made[3]


# Ratings


def drawn(truth, games, seed):
    rng = np.random.default_rng(seed)
    found = []
    for number in range(games):
        one, other = rng.choice(len(truth), 2, replace=False)
        win = rng.random() < 1 / (1 + 10 ** ((truth[other] - truth[one]) / 400))
        found.append(Game(f"c{one}", f"c{other}", float(win), f"prompt {number % 40}"))
    return found


def test_ratings_find_the_truth_within_their_intervals():
    truth = [1200.0, 1000.0, 1000.0, 800.0]
    found = {each.name: each for each in ratings(drawn(truth, 600, 1))}
    for number, value in enumerate(truth):
        rating = found[f"c{number}"].bradley_terry
        assert rating.low - 15 < value < rating.high + 15 and rating.high - rating.low < 200
        assert abs(found[f"c{number}"].elo.estimate - value) < 80
    assert sum(each.bradley_terry.estimate for each in found.values()) == pytest.approx(4000)
    assert sum(each.elo.estimate for each in found.values()) == pytest.approx(4000)


def test_the_likelihood_is_at_its_highest():
    """The derivative of the log-likelihood with its prior is zero: wins equal expected wins."""
    games = drawn([1100.0, 1000.0, 900.0], 60, 2)
    who = np.array([[int(each.one[1]), int(each.other[1])] for each in games])
    points = np.array([each.points for each in games])
    (rating,) = bradley_terry(who, points, np.ones((1, len(games))), 3)
    for each in range(3):
        expected = wins = 0.0
        for (one, other), won in zip(who, points, strict=True):
            if each in (one, other):
                rival = other if each == one else one
                expected += 1 / (1 + 10 ** ((rating[rival] - rating[each]) / 400))
                wins += won if each == one else 1 - won
        for rival in {0, 1, 2} - {each}:
            expected += 1 / (1 + 10 ** ((rating[rival] - rating[each]) / 400))
            wins += 0.5
        assert wins == pytest.approx(expected, abs=1e-5)


def test_who_wins_all_has_a_finite_rating():
    best, worst = ratings([Game("a", "b", 1.0, f"p{number}") for number in range(10)])
    assert (best.name, best.wins, worst.wins) == ("a", 10, 0)
    assert np.isfinite(best.bradley_terry.high) and best.bradley_terry.estimate > 1100
    assert best.elo.estimate > worst.elo.estimate


def test_a_strict_order_is_at_its_highest_likelihood_too():
    """All of many games go one way: what each has won is what it was expected to win."""
    n, per = 8, 200
    who = np.array([(i, j) for i in range(n) for j in range(i) for _ in range(per)])
    (rating,) = bradley_terry(who, np.ones(len(who)), np.ones((1, len(who))), n)
    expected = 1 / (1 + 10 ** (np.subtract.outer(rating, rating).T / 400))
    won = per * np.arange(n) + (n - 1) / 2  # one tie with each
    found = ((per + 1) * expected * (1 - np.eye(n))).sum(1)
    np.testing.assert_allclose(found, won, rtol=1e-6)


def test_ratings_do_not_hang_on_the_order_of_the_games():
    games = drawn([1100.0, 1000.0, 900.0], 100, 3)
    turned = [Game(each.other, each.one, 1 - each.points, each.group) for each in games]
    for one, other in zip(ratings(games), ratings(turned), strict=True):
        assert one.bradley_terry.estimate == pytest.approx(other.bradley_terry.estimate)
        assert one.elo.estimate == pytest.approx(other.elo.estimate)


def test_games_that_cannot_be_rated():
    with pytest.raises(InputError, match="no games"):
        ratings([])
    with pytest.raises(InputError, match="itself"):
        ratings([Game("a", "a", 1.0, "p")])


def test_a_tournament_on_the_world_ranks_what_holds_more_of_the_concept():
    concept = load_concept("world/wedding")
    from saesteer.evaluation import Row

    def row(method, number, text):
        return Row(concept.name, method, "", 1.0, "{prompt}", f"p{number}", 0, "test", "It was late.", text,
                   0.0, None, None, None, None, None, None, 0, "{}", None)  # fmt: skip

    texts = zip(concept.positive[:10], concept.negative[:10], strict=True)
    rows = [
        each
        for number, (yes, no) in enumerate(texts)
        for each in (row("good", number, f" {yes}"), row("poor", number, f" {no}"))
    ]
    found = tournament(rows, PairwiseJudge("oracle"), {concept.name: concept})
    assert [each.name for each in found.ratings] == ["good 1", "poor 1"]
    assert (found.ratings[0].wins, found.disagreeing, found.bias.estimate, found.failed) == (10, 0.0, 0.0, 0)
    noisy = PairwiseJudge({"client": "oracle", "error": 0.4})
    assert tournament(rows, noisy, {concept.name: concept}).disagreeing > 0.2
    with pytest.raises(InputError, match="was not given"):
        tournament(rows, noisy, {})
    with pytest.raises(InputError, match="no two settings"):
        tournament(rows[:1], noisy, {concept.name: concept})
