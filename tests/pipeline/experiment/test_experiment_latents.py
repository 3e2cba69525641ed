"""The latents behind the settings of an experiment: which ones are shown, and whose they are."""

import shutil
from dataclasses import replace

import pytest

from saesteer import load_concept, load_model, load_sae
from saesteer.concepts import Ranking, contrast_of
from saesteer.errors import CorruptFile
from saesteer.methods import sae_decoder
from saesteer.pipeline.experiment import load_run, report_of, run_experiment
from saesteer.pipeline.experiment.behind import LATENT
from tests.pipeline.experiment.small import SEA, small, write_task

READS, OTHER = 2302, 9  # of the first: active in texts of both kinds
OPTIONS = {"latent": READS}
METHODS = [
    {"method": "sae_decoder", "name": "one", "label": "A reader", "options": OPTIONS},
    {
        "method": "sae_decoder",
        "name": "set",
        "options": {**OPTIONS, "op": "set_latents", "unit": "raw"},
        "strengths": [1.0],
    },
    {"method": "sae_decoder", "name": "other", "variants": {"latent": [OTHER]}},
    {"method": "sae_decoder", "name": "both", "options": {"latent": [READS, OTHER]}},
    "diffmean",
]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("latents")
    spec = folder / "file.yaml"
    sae_decoder(load_model("world"), SEA, load_sae("world/layers.3"), latent=7).save(spec)
    methods = [*METHODS, {"spec": str(spec)}]
    return run_experiment(small(methods=methods, strengths=[0.3]), folder / "out")


def test_each_latent_is_shown_once_with_the_methods_that_steer_with_it(done):
    assert not done.failures
    [concept] = report_of(done).concepts
    shown = [(each.latent, each.by) for each in concept.latents]
    assert shown == [(READS, ("A reader", "set")), (OTHER, ("other",))]
    assert {each.sae for each in concept.latents} == {"world/layers.3"}
    assert f"The latent behind A reader, set: {READS} <small>of world/layers.3" in done.report.read_text(
        "utf-8"
    )
    assert f"The latent behind other: {OTHER} of world/layers.3" in (done.folder / "report.md").read_text(
        "utf-8"
    )


def test_its_figures_are_those_of_the_concept_and_lie_where_the_link_leads(done):
    [concept] = report_of(done).concepts
    latent = concept.latents[0]
    expected = contrast_of(load_model("world"), load_sae("world/layers.3"), load_concept(SEA), READS)
    kept = Ranking.load(done.folder / latent.rows)
    assert kept.rows == expected.rows and kept.evidence == expected.evidence
    assert (latent.auroc, latent.token_auroc) == (expected.best.auroc, expected.summary["token_auroc"])
    texts = len(load_concept(SEA).positive)
    sides = [each.document < texts for each in expected.evidence[0].contexts]
    assert [each.positive for each in latent.contexts] == sides and len(set(sides)) == 2


def test_the_report_says_when_it_was_made_as_people_write_it(done):
    about = {**done.about, "attempts": [{"started": "2026-03-05T23:30:00-01:00"}]}
    assert report_of(replace(done, about=about)).made == "6 March 2026, 00:30 UTC"
    about["attempts"].append(
        {"started": "2026-03-06T01:00:00+00:00", "finished": "2026-03-06T02:05:00+00:00"}
    )
    assert report_of(replace(done, about=about)).made == "6 March 2026, 02:05 UTC"


def test_a_damaged_one_is_said(done, tmp_path):
    shutil.copytree(done.folder, tmp_path / "copy")
    path = tmp_path / "copy" / "samples" / "sea" / "one" / LATENT
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CorruptFile, match="no whole ranking"):
        report_of(load_run(tmp_path / "copy"))


def test_a_task_without_texts_shows_none(tmp_path):
    tasks = write_task(tmp_path / "tasks", "sea", texts=False)
    method = {"method": "sae_decoder", "from": "features", "strengths": [0.3]}
    done = run_experiment(small(concepts={"tasks": str(tasks)}, saes={}, methods=[method]), tmp_path / "out")
    assert not done.failures and report_of(done).concepts[0].latents == ()
