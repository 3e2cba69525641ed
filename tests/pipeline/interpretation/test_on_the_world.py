"""Scorers that read and write with the world's own model, through the pipeline: a few latents, end to end."""

import pytest

from saesteer.examples import LatentId
from saesteer.pipeline.interpretation import interpret, load_results, score
from saesteer.pipeline.interpretation.config import InterpretConfig
from saesteer.pipeline.interpretation.sources import Sources

pytestmark = pytest.mark.slow
INTERVENTION = {
    "name": "intervention",
    "reading": "titles",
    "prompts": ["One day,", "The old man"],
    "n": 2,
    "max_new_tokens": 8,
}
PLAN = {
    "model": "world",
    "tokens": 20_000,
    "latents": "1250,2694",
    "examples": {"min_windows": 8, "train": 8, "test": 6, "negatives": 6, "silent_train": 8, "length": 24},
    "explainer": {"name": "token_statistics", "least": 2},
    "scorers": [{"name": "surprisal", "wording": "titles"}, INTERVENTION],
    "parallel": 2,
}
LATENTS = {LatentId("layers.3", 1250), LatentId("layers.3", 2694)}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world") / "run"
    return folder, interpret(PLAN | {"out": str(folder)})


def test_both_score_every_latent_with_all_their_controls(ran):
    folder, found = ran
    assert {each.latent for each in found.explanations if each.text} == LATENTS
    assert not [each.failures for each in found.scores if each.failures]
    by = {name: [each for each in found.scores if each.scorer == name] for name in found.scorers()}
    assert {name: {each.latent for each in scores} for name, scores in by.items()} == {
        "surprisal": LATENTS,
        "intervention": LATENTS,
    }
    for each in by["surprisal"]:
        assert 0 <= each.value <= 1 and {row["truth"] for row in each.rows} == {True, False}
    for each in by["intervention"]:
        assert {"random_latent", "shuffled", "over_shuffled"} <= set(each.figures) and len(each.rows) == 4
        assert each.figures["kl"] == pytest.approx(0.3, rel=0.5)
        assert each.value - each.figures["shuffled"] == pytest.approx(each.figures["over_shuffled"])
    assert (folder / "report.html").is_file() and load_results(folder) == found


def test_again_it_does_nothing(ran):
    folder, found = ran
    before = {path: path.read_bytes() for path in folder.glob("*.jsonl")}
    assert interpret(PLAN | {"out": str(folder), "report": False}) == found
    assert {path: path.read_bytes() for path in folder.glob("*.jsonl")} == before


def test_scoring_later_gives_the_same(ran, tmp_path):
    folder, found = ran
    alone = PLAN | {"scorers": ["embedding[embedder=hashed_words]"], "report": False}
    cache = next(folder.glob("cache-*"))
    interpret(alone | {"out": str(tmp_path), "cache": str(cache)})
    sources = Sources.of(InterpretConfig.from_dict(PLAN))
    later = score(tmp_path, PLAN["scorers"], lm=sources.lm, saes=sources.saes)
    values = {(each.scorer, each.latent): dict(each.figures) for each in later.scores}
    for each in found.scores:
        assert values[each.scorer, each.latent] == pytest.approx(dict(each.figures), abs=1e-5)
