"""What does not fit the model (hookpoints, widths, lengths) is refused before anything is written."""

import pytest

from saesteer.errors import InputError
from saesteer.pipeline.experiment import prepare
from tests.pipeline.experiment.small import small, write_spec, write_task

RANGE = "this llama model has no hookpoint 'layers.99'; its layers are 0 to"


def said(tmp_path, **changes):
    with pytest.raises(InputError) as caught:
        prepare(small(**changes), tmp_path / "run").check()
    with pytest.raises(InputError) as again:
        prepare(small(**changes), tmp_path / "run").run()
    assert str(again.value) == str(caught.value)
    assert not (tmp_path / "run").exists() and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"methods": [{"method": "diffmean", "at": "layers.99"}]}, "the method 'diffmean': "),
        ({"methods": [{"method": "random_direction", "at": "layers.99"}]}, "the method 'random_direction': "),
        (
            {"methods": ["diffmean", {"method": "caa", "variants": {"at": ["layers.3", "layers.99"]}}]},
            "the method 'caa': ",
        ),
        ({"methods": [{"method": "sae_decoder", "at": "layers.99"}]}, "the method 'sae_decoder': "),
        ({"saes": {"s": {"source": "world/layers.3", "at": "layers.99"}}}, "saes: s: "),
    ],
)
def test_a_hookpoint_that_the_model_lacks_is_refused_with_the_range(tmp_path, changes, start):
    assert said(tmp_path, **changes).startswith(start + RANGE)


def test_the_nearest_name_is_told(tmp_path):
    found = said(tmp_path, methods=[{"method": "diffmean", "at": "layers.3.mpl"}])
    assert "did you mean 'layers.3.mlp'?" in found


def test_a_spec_is_checked_with_its_hookpoint_its_width_and_its_model(tmp_path):
    lacks = write_spec(tmp_path / "lacks.yaml", at="layers.99")
    assert RANGE in said(tmp_path, methods=[{"spec": str(lacks)}])
    narrow = write_spec(tmp_path / "narrow.yaml", width=8)
    assert "the method 'narrow': " in (found := said(tmp_path, methods=[{"spec": str(narrow)}]))
    assert "8" in found and "layers.3" in found


def test_an_sae_at_a_hookpoint_of_another_width_is_refused(tmp_path):
    found = said(tmp_path, saes={"s": {"source": "world/layers.3", "at": "layers.3.mlp.act"}})
    assert found.startswith("saes: s: SAE d_in is") and "layers.3.mlp.act" in found
    found = said(tmp_path, methods=[{"method": "sae_decoder", "at": "layers.3.mlp.act"}])
    assert found.startswith("the method 'sae_decoder': SAE d_in is")


def test_a_tasks_hookpoint_is_checked(tmp_path):
    root = write_task(tmp_path, "sea")
    for each in (root / "sea").glob("*_steer.json"):
        text = (
            each.read_text().replace("blocks.3.hook", "blocks.77.hook").replace('"layer": 3', '"layer": 77')
        )
        each.write_text(text)
    found = said(tmp_path, concepts={"tasks": str(root)}, saes={}, judge="regex:sea", methods=["diffmean"])
    assert (
        found.startswith("the method 'diffmean': this llama model has no hookpoint") and "its layers" in found
    )


def test_a_place_of_another_width_than_the_residual_is_no_mistake_by_itself(tmp_path):
    prepare(small(methods=[{"method": "random_direction", "at": "layers.3.mlp.act"}]), tmp_path).check()


def test_an_sae_that_is_not_here_is_not_fetched(tmp_path, monkeypatch):
    """Its own place is not known; that which the file says is."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    prepare(
        small(saes={"s": "nobody/sae"}, methods=[{"method": "sae_decoder", "at": "layers.3"}]), tmp_path
    ).check()
    elsewhere = [{"method": "diffmean", "at": "layers.3"}]
    found = said(tmp_path, saes={"s": {"source": "nobody/sae", "at": "layers.99"}}, methods=elsewhere)
    assert found.startswith("saes: s: " + RANGE)


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        (
            {"writing": {"max_new_tokens": 10**9}},
            "writing: max_new_tokens is 1000000000, which behind a prompt of",
        ),
        ({"side_effects": {"tokens": 510}}, "side_effects: tokens is 510, which behind a prompt of"),
    ],
)
def test_more_than_the_model_has_room_for_is_refused(tmp_path, changes, start):
    found = said(tmp_path, **changes)
    assert found.startswith(start) and "does not fit the model's 512 positions; give 50" in found
