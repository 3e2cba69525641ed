"""What a score says of itself: whose explanation it judged, and what its requests took, failed ones too."""

import asyncio
from dataclasses import replace

import pytest

from saesteer.examples import Explanation, LatentId
from saesteer.llms import Reply, Unavailable, Usage
from saesteer.scorers.detection import Detection
from saesteer.scorers.embedding import Embedding
from saesteer.scorers.fuzzing import Fuzzing
from saesteer.scorers.intervention import Intervention
from saesteer.scorers.intruder import Intruder
from saesteer.scorers.reading import Reading
from saesteer.scorers.simulation import Simulation
from saesteer.scorers.surprisal import Surprisal
from tests.scorers.records import Says, record
from tests.steering import tiny

LATENT = LatentId("layers.1", 3)
PAID = Usage(1, 50, 5, cost=0.25)


def intervention(client):
    sae, reading = tiny.sae(hook_name="layers.1"), Reading(bridge=" and")
    options = {"prompts": ("the cat",), "n": 1, "max_new_tokens": 3, "reading": reading}
    return Intervention(tiny.llama(), {"layers.1": sae}, **options)


JUDGES = {
    "detection": Detection,
    "fuzzing": Fuzzing,
    "simulation": Simulation,
    "surprisal": lambda client: Surprisal(tiny.llama()),
    "embedding": lambda client: Embedding("hashed_words"),
    "intervention": intervention,
}


def run(scorer, of, explanation):
    return asyncio.run(scorer.score(replace(of, id=LATENT), explanation))


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("text", ["the sea", None])
def test_a_score_names_the_explainer_of_what_it_judged(name, text):
    scorer = JUDGES[name](Says(lambda request: "[1, 1, 1, 1, 1]"))
    found = run(scorer, record(6, 6, train=2), Explanation(LATENT, "the_second", text))
    assert (found.scorer, found.explainer, found.explanation) == (name, "the_second", text)
    assert text is not None or [each.kind for each in found.failures] == ["no_explanation"]


def test_a_scorer_that_reads_no_explanation_names_nobody():
    client = Says(lambda request: "[1]")
    assert run(Intruder(client), record(), Explanation(LATENT, "the_second", "x")).explainer is None


@pytest.mark.parametrize("make", [Detection, Fuzzing, Simulation, Intruder])
@pytest.mark.parametrize("broken", ["unread", "refused"])
def test_what_failed_was_paid_for_too(make, broken):
    def answer(request):
        if broken == "refused":
            raise Unavailable("503; ask later", PAID)
        return Reply("I do not know.", usage=PAID)

    client = Says(answer)
    found = run(make(client), record(), Explanation(LATENT, "x", "the sea"))
    assert found.failures and not found.rows and found.value is None
    asked = len(client.asked)
    assert found.usage == Usage(asked, 50 * asked, 5 * asked, cost=0.25 * asked)
