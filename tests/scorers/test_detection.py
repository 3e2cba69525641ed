"""Detection against known answers: the oracle at a set error, clients that fail, records that are short."""

import asyncio
import math
from dataclasses import replace

import pytest
from scipy.special import ndtr, ndtri

from saesteer.errors import InputError
from saesteer.llms import Usage
from saesteer.scorers import SCORERS, Scorer
from saesteer.scorers.detection import Detection
from saesteer.world.oracle_client import OracleClient
from tests.scorers.records import FailsEveryThird, Says, example_of, record, said


def scored(client, of=None, explanation="a wedding", **options):
    return asyncio.run(Detection(client, **options).score(of or record(), said(explanation)))


def test_it_is_in_the_table():
    assert SCORERS.get("detection") is Detection
    assert isinstance(Detection(OracleClient()), Scorer)


def test_the_truth_scores_one():
    found = scored(OracleClient(reads="activity"))
    assert found.value == 1.0 and found.figures["auc"] == 1.0 and found.figures["f1"] == 1.0
    assert len(found.rows) == 40 and not found.failures
    assert found.usage == Usage(requests=8)
    assert {row["quantile"] for row in found.rows} == {0, 1, 2, 3, 4, None}
    assert all(found.figures[f"accuracy_quantile_{each}"] == 1.0 for each in range(5))


@pytest.mark.parametrize("error", [0.2, 0.5, 1.0])
def test_the_error_of_the_client_is_found_again(error):
    many = record(active=600, silent=600)
    found = scored(OracleClient(error, reads="activity"), many)
    wrong = 4 * math.sqrt(error * (1 - error) / 1200)
    assert found.value == pytest.approx(1 - error, abs=wrong + 1e-9)
    area = float(ndtr(-math.sqrt(2) * ndtri(error)))
    assert found.figures["auc"] == pytest.approx(area, abs=0.06)
    plain = scored(OracleClient(error, reads="activity", logprobs=False), many)
    assert plain.value == found.value
    assert plain.figures["auc"] == pytest.approx(plain.value)
    assert all(row["probability"] is None for row in plain.rows)


def test_the_last_short_batch_is_scored_like_the_others():
    found = scored(OracleClient(reads="activity"), record(active=11, silent=11), n_shown=5)
    assert len(found.rows) == 22 and found.usage.requests == 5


def test_a_failed_request_costs_its_answers_and_no_more():
    client = FailsEveryThird(OracleClient(reads="activity"))
    found = scored(client, record(active=20, silent=20), n_shown=4)
    assert found.value == 1.0 and found.usage.requests == 10
    assert [each.kind for each in found.failures] == ["unavailable"] * 12
    assert len(found.rows) == 28


def test_replies_of_the_wrong_length_are_failures_of_their_batch():
    found = scored(Says(lambda request: "[1, 0]"), n_shown=5)
    assert found.value is None and not found.rows
    assert [each.kind for each in found.failures] == ["wrong_number"] * 40
    assert found.figures["tp"] == 0 and found.usage.requests == 8


@pytest.mark.parametrize(
    ("of", "explanation", "kind"),
    [
        (replace(record(), test=(), silent_test=()), "a wedding", "too_few_examples"),
        (record(), None, "no_explanation"),
        (record(), "  ", "no_explanation"),
    ],
)
def test_nothing_to_ask_is_a_typed_failure(of, explanation, kind):
    client = Says(lambda request: "[1]")
    found = scored(client, of, explanation)
    assert found.value is None and [each.kind for each in found.failures] == [kind]
    assert not client.asked and not found.rows
    none = asyncio.run(Detection(client).score(record(), None))
    assert [each.kind for each in none.failures] == ["no_explanation"]


def test_one_class_alone_has_no_balanced_accuracy():
    found = scored(OracleClient(reads="activity"), replace(record(), silent_test=()))
    assert found.value is None and found.figures["recall"] == 1.0 and not found.failures


def test_a_prompt_can_be_read():
    of = replace(record(), test=(example_of([" a\n", "2: b", " <<c>>"], [0, 1, 0]),), silent_test=())
    (request,) = Detection(OracleClient()).requests(of, "line breaks\nand $texts")
    system, question = request.messages
    assert system.role == "system" and "[1, 0, 0, 1]" in system.content
    assert question.content == "Description: line breaks↵and $texts\n1:  a↵2: b <<c>>\nAnswer:"
    assert request.task.windows == ((" a\n", "2: b", " <<c>>"),) and request.task.truth == (True,)


def test_what_is_the_same_comes_first():
    asked = Detection(OracleClient()).requests(record(), "a wedding")
    texts = ["\n".join(each.content for each in request.messages) for request in asked]
    assert len({each.index("\n1: ") for each in texts}) == 1
    assert len({each[: each.index("\n1: ")] for each in texts}) == 1


def test_questions_are_shuffled_by_the_seed():
    def order(seed):
        asked = Detection(OracleClient(), seed=seed).requests(record(), "a wedding")
        return [request.task.truth for request in asked]

    assert order(0) == order(0) != order(1)
    assert all(len(set(truth)) == 2 for truth in order(0)[:3])


def test_the_fingerprint_follows_the_settings_and_the_client():
    made = [
        Detection(OracleClient()),
        Detection(OracleClient(), n_shown=4),
        Detection(OracleClient(), seed=1),
        Detection(OracleClient(0.1)),
    ]
    assert len({each.fingerprint() for each in made}) == 4
    assert Detection(OracleClient()).fingerprint() == made[0].fingerprint()


def test_no_batch_without_windows():
    with pytest.raises(InputError, match="n_shown"):
        Detection(OracleClient(), n_shown=0)
