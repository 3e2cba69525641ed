"""saesteer side-effects."""

import json

import pytest

from saesteer.cli.side_effects import _COLUMNS
from saesteer.evaluation import SideEffects
from saesteer.evaluation.effect_rows import FIGURES


@pytest.fixture
def spec(run, place, tmp_path):
    out = tmp_path / "sea.yaml"
    assert run("steer", "world/sea", "-m", place.model, "--at", "layers.2", "--out", out).code == 0
    return out


def test_table_json_and_folder(run, place, spec, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("One day Anna met Simon.\nIn the morning it was cold.\n")
    line = (
        "side-effects",
        spec,
        "-m",
        place.model,
        "--strengths",
        "0.5,2",
        "--texts",
        place.texts,
        "--limit",
        3,
    )
    line += (
        "--prompts",
        prompts,
        "--sae",
        place.sae,
        "--tokens",
        5,
        "--against",
        0.5,
        "--folder",
        tmp_path / "runs",
    )
    said = run(*line)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("3 texts of ") and lines[0].endswith("read, 2 written at each strength")
    assert lines[2].split() == ["strength", *_COLUMNS.values()] and len(lines[2].rstrip()) <= 80
    assert [each.split()[0] for each in lines[3:6]] == ["0", "0.5", "2"]
    assert "strength 2 changed most: " in said.out and "folder: " in said.out
    (folder,) = (each for each in (tmp_path / "runs").iterdir() if each.is_dir())
    found = SideEffects.load(folder)
    again = json.loads(run(*line, "--json").out)
    assert again["folder"] == str(folder)
    for each, record in zip(found.summary, again["summary"], strict=True):
        assert record["figures"]["kl"]["estimate"] == each.figures["kl"].estimate
        assert {*FIGURES, "first_divergence_other", "never_diverges_other"} == set(record["figures"])
    assert [each["latent"] for each in again["changed"][0]["off_target"]]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["--strengths", "1"], "nothing to measure on"),
        (["--strengths", "a,1", "--texts", "x.txt"], "--strengths are different numbers"),
        (["--strengths", "1,1", "--texts", "x.txt"], "--strengths are different numbers"),
        (["--strengths", "1", "--targets", "1.5", "--texts", "x.txt"], "--targets are numbers of latents"),
        (["--texts", "x.txt"], "--strengths"),
    ],
)
def test_what_cannot_be_meant(run, place, spec, line, told):
    said = run("side-effects", spec, "-m", place.model, *line)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1) and told in said.err
