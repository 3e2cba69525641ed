"""The demo's experiment, and the whole of it as small as it gets."""

import re
import shutil

import pytest
import yaml

from saesteer import load_model, load_sae
from saesteer.concepts import CHOOSERS
from saesteer.errors import UnknownName
from saesteer.pipeline import demo, demo_experiment, load_run, read_experiment, run_demo
from saesteer.pipeline.experiment import prepare, report_of
from saesteer.runs import laid_over, read_fields

METHODS = ["diffmean", "sae_decoder", "prompting", "random_direction"]
TINY = {
    "strengths": [0.2, 0.4],
    "samples": {"selection": 1, "test": 1, "base": 2},
    "writing": {"max_new_tokens": 24},
}


def test_the_file_is_an_experiment_that_can_be_copied(tmp_path):
    copy = shutil.copy(demo.FILE, tmp_path / "copy.yaml")
    assert read_experiment(copy) == demo_experiment()
    plan = prepare(demo_experiment(), tmp_path / "out").plan
    assert [each.method.name for each in plan.cells] == METHODS * 4
    assert not plan.notes and not (tmp_path / "out").exists()


def test_other_concepts_of_the_world_take_the_place_of_its_own(tmp_path):
    assert demo_experiment(["wedding", "world/sea"]).concepts == ("world/wedding", "world/sea")
    with pytest.raises(UnknownName):
        run_demo(tmp_path / "out", ["weding"])
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(laid_over(read_fields(demo.FILE), TINY)), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "FILE", folder / "tiny.yaml")
        yield run_demo(folder / "out", ["wedding"])


@pytest.mark.slow
def test_every_method_has_a_result_and_the_report_is_whole(whole):
    assert whole.report == whole.folder / "report.html" and not whole.failures
    page = whole.report.read_text(encoding="utf-8")
    assert "wedding" in page and "<svg" in page and "saesteer demo" in page
    [concept] = report_of(whole).concepts
    assert [each.method for each in concept.methods] == METHODS
    assert {row.half for cell in whole.cells for row in cell.tried.rows} == {"selection"}


@pytest.mark.slow
def test_the_latent_that_is_shown_is_one_that_was_steered_with(whole):
    [concept] = report_of(whole).concepts
    [cell] = [each for each in whole.cells if each.method.name == "sae_decoder"]
    variants = {f"choose {name}, rank {rank}" for name in ("contrast", "logit_effect") for rank in (1, 2)}
    assert {each.name for each in cell.method.each_variant()} == variants
    [latent] = concept.latents
    chosen, rank = re.fullmatch(r"choose (\w+), rank (\d)", cell.record["chosen"]["variant"]).groups()
    ranked = CHOOSERS.get(chosen)(load_model("world"), load_sae("world/layers.3"), "world/wedding", None, 2)
    assert latent.latent == ranked.latents[int(rank) - 1]
    assert latent.by == ("Best SAE latent",) and latent.contexts and latent.promoted


@pytest.mark.slow
def test_its_folder_is_one_of_an_experiment(whole):
    assert load_run(whole.folder).config == whole.config
    assert read_experiment(whole.folder / "experiment.yaml") == whole.config
