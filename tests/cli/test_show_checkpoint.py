"""saesteer show without a latent: what the files are."""

import json

import pytest

from tests.saes.foreign import MADE


def test_the_page_of_a_transcoder(run, tmp_path):
    made = MADE["gemma_scope_2-skip"](tmp_path)
    said = run("show", made.path)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0] == str(made.path)
    for part in (
        "gemma_scope_2 (a folder with params.safetensors)",
        "jumprelu_skip_transcoder, 48 latents of width 16, writes 12",
        "layers.9.mlp.in -> layers.9.mlp of google/gemma-3-1b-pt",
        "as they are",
        "in float32",
    ):
        assert part in said.out


def test_the_page_of_an_sae(run, place):
    said = run("show", place.sae)
    assert (said.code, said.err) == (0, "")
    assert "topk, 64 latents of width 32, 6 at a time" in said.out
    assert "layers.3 of an unknown model" in said.out and "less b_dec" in said.out


@pytest.mark.parametrize("name", ["scar-topk-tanh", "openai-v5", "sae_lens-gated"])
def test_json(run, tmp_path, name):
    made = MADE[name](tmp_path)
    said = run("show", made.path, "--json")
    record = json.loads(said.out)
    assert (said.code, said.err) == (0, "")
    assert (record["format"], record["architecture"]) == (name.partition("-")[0], made.architecture)
    assert record["hook_name"] == made.hook_name and len(record["fingerprint"]) == 64


def test_a_file_cannot_colour_the_terminal(run, tmp_path):
    made = MADE["sae_lens-topk"](tmp_path)
    cfg = json.loads((made.path / "cfg.json").read_text())
    cfg["metadata"] |= {"model_name": "\x1b[31mred", "note": "\x1b]0;title\x07[bold]"}
    (made.path / "cfg.json").write_text(json.dumps(cfg))
    said = run("show", made.path)
    assert said.code == 0 and "\x1b" not in said.out and "␛[31mred" in said.out


def test_what_is_no_sae(run, tmp_path):
    said = run("show", tmp_path)
    assert (said.code, said.out) == (2, "") and "of no format that is known" in said.err
    assert said.err.count("\n") == 1
