"""saesteer export and saesteer combine."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from saesteer.model import load_model
from saesteer.steering import load_spec, steer
from tests.steering import tiny as specs
from tests.steering.test_spec import FULL

WIDTH = 32


@pytest.fixture
def joy(tmp_path):
    """A spec of the tiny model, in a unit that is not resolved."""
    spec = specs.SteeringSpec(
        (specs.Intervention("layers.2", "add", tensor="v", strength=specs.Strength(0.5, "residual_norm")),),
        {"v": specs.TensorRef.of(specs.vector(1, WIDTH))},
    )
    spec.save(tmp_path / "joy.yaml")
    return tmp_path / "joy.yaml"


@pytest.mark.parametrize("ending", ["json", "yml", "safetensors"])
def test_every_spec_goes_into_the_native_formats(run, tmp_path, ending):
    FULL.save(tmp_path / "a.yaml")
    said = run("export", tmp_path / "a.yaml", tmp_path / f"b.{ending}")
    assert (said.code, said.err) == (0, "")
    assert f"b.{ending}: add at layers.1, strength 0.4 residual_norm (raw 17.6)" in said.out
    assert load_spec(tmp_path / f"b.{ending}") == FULL


def test_a_model_resolves_units_and_names_its_family(run, place, tmp_path, joy):
    line = ("export", joy, tmp_path / "a.gguf", "--allow-bos")
    said = run(*line)
    assert said.code == 2 and "strength.unit: 'residual_norm' is not resolved" in said.err
    said = run(*line, "-m", place.model, "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert record["format"] == "gguf" and record["spec"]["model"]["id"] == "llama"
    lm = load_model(place.model)
    tokens = lm.tokenize(["the sea"])
    with steer(lm, load_spec(joy).everywhere()):
        wanted = lm.logits(tokens)
    with steer(lm, load_spec(tmp_path / "a.gguf")):
        torch.testing.assert_close(lm.logits(tokens), wanted, atol=1e-4, rtol=1e-4)


def test_a_plain_model(run, place, tmp_path, joy):
    line = ("export", joy, tmp_path / "lm", "--to", "hf", "-m", place.model)
    said = run(*line)
    assert said.code == 2 and "--allow-bos" in said.err and not (tmp_path / "lm").exists()
    said = run(*line, "--allow-bos")
    assert (said.code, said.err) == (0, "")
    assert "a plain model, steered at layers.2 by its biases" in said.out
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "lm").config.mlp_bias
    said = run(*line, "--allow-bos", "--json")
    assert said.code == 2 and "exists already" in said.err


def test_the_format_may_be_named(run, tmp_path):
    header = "latent_idx,steering_coefficient,sae_release,sae_id,description,hookpoint"
    (tmp_path / "a.csv").write_text(f"{header}\n3,2.5,no/such,sae,dogs,layers.1\n")
    said = run("export", tmp_path / "a.csv", tmp_path / "b.csv")
    assert said.code == 0 and (tmp_path / "b.csv").read_text().startswith("loader,action")
    said = run("export", tmp_path / "b.csv", tmp_path / "c.csv", "--to", "csv_beta", "--json")
    assert said.code == 0 and json.loads(said.out)["format"] == "csv_beta"
    assert load_spec(tmp_path / "c.csv").fingerprint() == load_spec(tmp_path / "a.csv").fingerprint()


def test_what_export_refuses(run, tmp_path, joy):
    for line, expected in (
        ((joy, tmp_path / "a.txt"), "a spec is a file that ends in one of"),
        (
            (joy, tmp_path / "a.pt", "--to", "pytorch"),
            "unknown format 'pytorch'; known: csv, csv_beta, gguf, hf",
        ),
        ((joy, tmp_path / "a.csv", "--allow-bos"), "is a vector of its own; save the spec as .pt"),
        ((tmp_path / "none.yaml", tmp_path / "a.pt"), "there is no file"),
        ((joy, tmp_path), "a spec is a file that ends in one of"),
    ):
        said = run("export", *line)
        assert (said.code, said.out) == (2, "") and expected in said.err and said.err.count("\n") == 1
    assert sorted(each.suffix for each in tmp_path.iterdir()) == [".safetensors", ".yaml"]


def test_a_sum_of_files(run, tmp_path):
    for seed, name in enumerate(("joy.yaml", "my-anger.pt")):
        specs.direction(seed=seed).everywhere().save(tmp_path / name)
    line = ("combine", f"2 * {tmp_path}/joy.yaml - {tmp_path}/my-anger.pt / 4", "-o", tmp_path / "mix.yaml")
    said = run(*line)
    assert (said.code, said.err) == (0, "") and said.out.count("add at layers.1") == 2
    wanted = 2 * load_spec(tmp_path / "joy.yaml") - load_spec(tmp_path / "my-anger.pt") / 4
    assert load_spec(tmp_path / "mix.yaml") == wanted
    said = run(*line, "--merge", "--json")
    assert len(json.loads(said.out)["spec"]["interventions"]) == 1
    assert load_spec(tmp_path / "mix.yaml") == wanted.merged()


def test_what_combine_refuses(run, tmp_path):
    specs.direction(op="set_projection").save(tmp_path / "a.yaml")
    for text, expected in (
        ("2", "the expression is the number 2, not a spec"),
        (f"2 * {tmp_path}/a.yaml", "op: 'set_projection' adds no vector"),
        (f"{tmp_path}/a.yaml / 0", "divisor: must not be 0"),
        (f"{tmp_path}/none.yaml", "there is no file"),
        ("open('x')", "a spec is a file that ends in one of"),
    ):
        said = run("combine", text, "-o", tmp_path / "b.yaml")
        assert (said.code, said.out) == (2, "") and expected in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "b.yaml").exists()
    assert run("combine", f"{tmp_path}/a.yaml", "-o", tmp_path / "b.txt").code == 2


@pytest.mark.parametrize("out", ["file/lm", "x" * 300, "/proc/lm"])
def test_a_plain_model_that_cannot_be_written(run, place, tmp_path, joy, out):
    (tmp_path / "file").write_text("older")
    said = run("export", joy, tmp_path / out, "--to", "hf", "-m", place.model, "--allow-bos")
    assert said.code == 1 and said.err.count("\n") == 1
    assert "unexpected" not in said.err and "check" in said.err
    assert sorted(each.name for each in tmp_path.iterdir() if "joy" not in each.name) == ["file"]
