"""saesteer convert."""

import json

import pytest
import torch

from saesteer.saes import load_sae
from tests.saes.foreign import MADE, D

FORMATS = ("sae_lens-gated", "sparsify-skip_transcoder", "gemma_scope-res", "gemma_scope_2-sae", "openai-v5")
FORMATS += ("dictionary_learning-MatryoshkaBatchTopKSAE", "scar-topk-tanh")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_becomes_a_folder_of_ours(run, tmp_path, name):
    made, folder = MADE[name](tmp_path / "theirs"), tmp_path / "ours"
    said = run("convert", made.path, folder)
    assert (said.code, said.err) == (0, "")
    assert f"format       {name.partition('-')[0]} (" in said.out
    assert f"Written to {folder} in the sae_lens layout." in said.out
    x = torch.randn(9, D, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_sae(folder)(x), load_sae(made.path)(x))


def test_json_and_what_the_files_do_not_say(run, tmp_path):
    made, folder = MADE["openai-v1"](tmp_path / "theirs"), tmp_path / "ours"
    made.path.rename(tmp_path / "7.pt")
    line = (
        "convert",
        tmp_path / "7.pt",
        folder,
        "--hookpoint",
        "layers.7",
        "-m",
        "gpt2",
        "--dtype",
        "bfloat16",
    )
    said = run(*line, "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert (record["format"], record["hook_name"], record["model_name"]) == ("openai", "layers.7", "gpt2")
    assert record["written"] == str(folder) and record["dtype"] == "bfloat16"
    cfg = load_sae(folder).cfg
    assert (cfg.hook_name, cfg.model_name, cfg.dtype) == ("layers.7", "gpt2", "bfloat16")


def test_what_is_refused(run, tmp_path):
    made = MADE["openai-v5"](tmp_path / "theirs")
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    (full / "note.txt").write_text("mine")
    file.write_text("mine")
    for target, line in ((full, "is not empty"), (file, "is a file")):
        said = run("convert", made.path, target)
        assert (said.code, said.out) == (2, "") and line in said.err
    said = run("convert", tmp_path, tmp_path / "new")
    assert (said.code, said.out) == (2, "") and "is not an SAE" in said.err
    made.path.write_bytes(made.path.read_bytes()[:200])
    said = run("convert", made.path, tmp_path / "new")
    assert (said.code, said.out) == (1, "") and "is not a whole torch file" in said.err
    assert not (tmp_path / "new").exists()
