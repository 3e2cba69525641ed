"""Every scorer end to end on the embedded world: known answers of its oracle; readers that are its model."""

import asyncio
import math
from dataclasses import replace

import pytest

from saesteer.scorers.detection import Detection
from saesteer.scorers.embedding import Embedding
from saesteer.scorers.example_embedding import ExampleEmbedding
from saesteer.scorers.fuzzing import Fuzzing
from saesteer.scorers.intervention import Intervention
from saesteer.scorers.intruder import Intruder
from saesteer.scorers.simulation import Simulation
from saesteer.scorers.surprisal import Surprisal
from saesteer.world.oracle_client import OracleClient
from saesteer.world.texts import openings
from saesteer.world.words import lexicon
from tests.scorers.records import said
from tests.scorers.stories import best_latent, concept_record, story_record, world

pytestmark = pytest.mark.slow
ASKING = {
    "detection": Detection,
    "fuzzing": Fuzzing,
    "fuzzing_active": lambda client: Fuzzing(client, "active"),
    "simulation": Simulation,
    "simulation_json": lambda client: Simulation(client, "json"),
}
CONCEPTS = ("wedding", "sea", "french")


def run(scorer, record, explanation):
    return asyncio.run(scorer.score(record, None if explanation is None else said(explanation, record.id)))


def title(concept):
    return lexicon()[concept].title


@pytest.mark.parametrize("concept", CONCEPTS)
@pytest.mark.parametrize("name", [*ASKING, "intruder"])
def test_what_the_latent_did_scores_one(concept, name):
    client = OracleClient(reads="activity")
    scorer = Intruder(client) if name == "intruder" else ASKING[name](client)
    found = run(scorer, story_record(best_latent(concept)), "whatever is said")
    assert found.value == pytest.approx(1.0) and found.scorer == name and not found.failures


@pytest.mark.parametrize("concept", CONCEPTS)
@pytest.mark.parametrize("name", ["detection", "fuzzing", "simulation"])
def test_the_right_explanation_scores_above_the_others(concept, name):
    """In the two stronger fifths of the windows: when weak, these latents fire at much else."""
    record = story_record(best_latent(concept))
    record = replace(record, test=tuple(each for each in record.test if (each.quantile or 0) >= 3))
    scorer = ASKING[name](OracleClient())
    right = run(scorer, record, title(concept)).value
    for other in ("computers", "music", "numbers divisible by three"):
        wrong = run(scorer, record, title(other) if other in lexicon().concepts else other).value
        assert right > (wrong or 0.0) + 0.1


@pytest.mark.parametrize("concept", CONCEPTS)
def test_a_latent_that_does_what_is_said_is_foretold(concept):
    """Windows about the concept are told from others; the grammar leaves a doubt where a sentence is cut."""
    found = run(Detection(OracleClient()), concept_record(concept), title(concept))
    assert found.value > 0.9


def test_an_oracle_that_errs_half_of_the_time_says_nothing():
    record = story_record(best_latent("wedding"))
    for name, scorer in ASKING.items():
        found = run(scorer(OracleClient(0.5)), record, title("wedding"))
        wrong = 4 * math.sqrt(0.25 / 80)
        if "simulation" not in name:
            assert found.value == pytest.approx(0.5, abs=wrong)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_the_model_reads_explanations_through_its_titles(concept):
    scorer, record = Surprisal(world()[0], "titles"), concept_record(concept)
    right = run(scorer, record, title(concept)).value
    assert right > 0.8
    assert right > run(scorer, record, title("computers")).value + 0.2


@pytest.mark.parametrize("concept", CONCEPTS)
def test_sentence_embeddings_tell_what_a_window_is_about(concept):
    record = concept_record(concept)
    right = run(Embedding("minilm"), record, title(concept)).value
    assert right > run(Embedding("minilm"), record, title("computers")).value + 0.2
    assert run(ExampleEmbedding("hashed_words"), record, None).value > 0.7


@pytest.mark.parametrize("concept", ["sea", "wedding"])
def test_steered_texts_make_the_explanation_less_surprising(concept):
    lm, sae, _, _ = world()
    record = story_record(best_latent(concept))
    others = [title(each) for each in ("war", "money", "music")]
    scorer = Intervention(lm, {"layers.3": sae}, reading="titles", others=others, prompts=openings(8), n=3)
    found = run(scorer, record, title(concept))
    assert found.value > 1.0
    assert found.figures["over_random_latent"] > 1.0 and found.figures["over_shuffled"] > 1.0
    assert found.figures["kl"] == pytest.approx(0.3, rel=0.1)
