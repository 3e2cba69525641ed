"""SCAR's folder whole: a plain Llama and its SAE, out of one set of shards and back, no foreign code run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from saesteer.errors import InputError, NotAnSAE
from saesteer.model import LanguageModel, load_model
from saesteer.saes import SAE, load_sae, recognise
from saesteer.steering import load_scar, save_scar, steer
from tests.steering import tiny

HOOK = "layers.1.mlp"


@pytest.fixture
def lm() -> LanguageModel:
    return tiny.llama()


@pytest.fixture
def sae() -> SAE:
    return tiny.sae("topk", hook_name="blocks.1.hook_mlp_out", normalize_activations="layer_norm")


def as_its_makers_write_it(folder: Path, mark: Path) -> None:
    """With a type of their own, whose code would leave a mark, and settings of steering."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config |= {"model_type": "llama3_SAE", "architectures": ["LLama3_SAE"], "mod_features": None}
    config["auto_map"] = {
        "AutoConfig": "configuration_llama3_SAE.LLama3_SAE_Config",
        "AutoModelForCausalLM": "modeling_llama3_SAE.LLama3_SAE",
    }
    path.write_text(json.dumps(config))
    for name in ("configuration_llama3_SAE", "modeling_llama3_SAE"):
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')")


@pytest.mark.parametrize("shard", ["4KB", "5GB"])
@pytest.mark.parametrize("theirs", [False, True])
def test_there_and_back(lm, sae, tmp_path, shard, theirs):
    folder, mark = tmp_path / "scar", tmp_path / "executed"
    save_scar(folder, lm, sae, shard)
    if theirs:
        as_its_makers_write_it(folder, mark)
    assert (len(list(folder.glob("*.safetensors"))) > 3) == (shard == "4KB")
    both = load_scar(folder)
    assert both.sae.fingerprint() == sae.fingerprint() and both.sae.cfg.hook_name == HOOK
    tokens = lm.tokenize(["the cat sat on the mat"])
    assert torch.equal(both.lm.logits(tokens), lm.logits(tokens))
    assert both.lm.tokenizer.get_vocab() == lm.tokenizer.get_vocab()
    assert type(both.lm.hf).__name__ == "LlamaForCausalLM" and not mark.exists()
    with steer(both.lm, tiny.latents("splice", at=HOOK), saes={"s": both.sae}):
        spliced = both.lm.logits(tokens)
    with steer(lm, tiny.latents("splice", at=HOOK), saes={"s": sae}):
        torch.testing.assert_close(spliced, lm.logits(tokens))


def test_the_sae_alone_reads_its_own_shards(lm, sae, tmp_path):
    save_scar(tmp_path, lm, sae, "4KB")
    for file in tmp_path.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            names = list(opened.keys())
        if not any(name.startswith("SAE.") for name in names):
            file.write_bytes(b"not for reading")
    assert recognise(tmp_path).format == "scar"
    assert load_sae(tmp_path).fingerprint() == sae.fingerprint()


def test_transformers_reads_the_model_of_our_folders(lm, sae, tmp_path):
    save_scar(tmp_path, lm, sae)
    tokens = lm.tokenize(["the cat"])
    assert torch.equal(load_model(tmp_path).logits(tokens), lm.logits(tokens))


def test_a_tokenizer_from_elsewhere(lm, sae, tmp_path):
    lm.tokenizer.save_pretrained(tmp_path / "words")
    save_scar(tmp_path / "scar", LanguageModel(lm.hf, None, "bare"), sae)
    assert load_scar(tmp_path / "scar").lm.tokenizer is None
    found = load_scar(tmp_path / "scar", tokenizer=tmp_path / "words").lm
    assert found.tokenize(["the cat"]).ids.tolist() == lm.tokenize(["the cat"]).ids.tolist()


def test_what_does_not_fit(lm, sae, tmp_path):
    with pytest.raises(InputError, match="holds a Llama, got a gpt2"):
        save_scar(tmp_path, tiny.gpt2(), sae)
    with pytest.raises(InputError, match="hook_name"):
        save_scar(tmp_path, lm, tiny.sae("topk", normalize_activations="layer_norm"))
    with pytest.raises(InputError, match=r"knows layers\.N, layers\.N\.mlp and layers\.N\.attn, got 'embed'"):
        save_scar(tmp_path, lm, tiny.sae("topk", normalize_activations="layer_norm", hook_name="embed"))
    with pytest.raises(InputError, match="normalize_activations 'layer_norm'"):
        save_scar(tmp_path, lm, tiny.sae("topk", hook_name=HOOK))
    save_scar(
        tmp_path / "wide", lm, tiny.sae("topk", d_in=8, hook_name=HOOK, normalize_activations="layer_norm")
    )
    with pytest.raises(NotAnSAE, match="its SAE is 8 wide but its model 16"):
        load_scar(tmp_path / "wide")
    sae.save(tmp_path / "plain")
    with pytest.raises(NotAnSAE, match="of the format sae_lens; SCAR's is"):
        load_scar(tmp_path / "plain")
