"""Models from folders and names; what is no model, in one line."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig

from saesteer.errors import CorruptFile, InputError, NotAModel, UnknownName
from saesteer.model import MODELS, load_model
from tests.model.small import CONFIGS, build, language_model, tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build("llama").save_pretrained(tmp_path / "lm")
    tokenizer(bos_token="[bos]", eos_token="[eos]", pad_token="[pad]").save_pretrained(tmp_path / "lm")
    return tmp_path / "lm"


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_every_family_comes_back_from_its_folder(name, attention, tmp_path, tokens):
    build(name).save_pretrained(tmp_path)
    lm = load_model(tmp_path, attention=attention)
    assert lm.tokenizer is None and not any(each.requires_grad for each in lm.hf.parameters())
    wanted = "eager" if name == "gemma2" else attention
    assert lm.hf.config._attn_implementation == wanted
    assert torch.equal(lm.logits(tokens), language_model(name, attention).logits(tokens))


def test_a_folder_with_its_tokenizer(folder, llama):
    lm = load_model(folder)
    assert lm.name == str(folder)
    assert lm.tokenize(["the cat"]).ids.tolist() == llama.tokenize(["the cat"]).ids.tolist()
    assert lm.generate(["the cat"], n=2).rows == llama.generate(["the cat"], n=2).rows
    assert load_model(str(folder), dtype="bfloat16").dtype == torch.bfloat16


@pytest.mark.parametrize("text", ['{"broken": ', "{}", "\0"])
def test_a_tokenizer_that_cannot_be_read_is_not_passed_over(folder, text):
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(CorruptFile, match=r"the tokenizer of .* cannot be read"):
        load_model(folder)


def test_a_token_from_the_settings_goes_to_the_hub_and_nowhere_else(folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_1234")
    seen = []
    real = AutoConfig.from_pretrained
    monkeypatch.setattr(
        AutoConfig, "from_pretrained", lambda *a, **k: seen.append(k.get("token")) or real(*a, **k)
    )
    assert "1234" not in repr(load_model(folder))
    assert set(seen) == {"hf_1234"}


def test_a_registered_name(folder):
    assert "world" in MODELS
    MODELS.register("small", lambda: folder)
    try:
        assert load_model("small").name == "small"
    finally:
        del MODELS._table["small"]


def test_what_is_no_model(tmp_path, folder):
    (tmp_path / "file.txt").write_text("no model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotAModel, match=r"file.txt is a file; give the folder"):
        load_model(tmp_path / "file.txt")
    with pytest.raises(NotAModel, match=r"empty is not a model: it has no config.json"):
        load_model(tmp_path / "empty")
    with pytest.raises(NotAModel, match=r"there is no folder .*nowhere; known names: .*world"):
        load_model(tmp_path / "nowhere")
    for name in ("~nobody-of-this-name/x", "x" * 5000, "/" + "x" * 5000):
        with pytest.raises(NotAModel):
            load_model(name)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": "wide"}))
    with pytest.raises(NotAModel, match=r"cannot be loaded as a language model.*hidden_size"):
        load_model(folder)
    (folder / "config.json").write_text("{ no json")
    with pytest.raises(NotAModel, match=r"cannot be loaded as a language model"):
        load_model(folder)


def test_an_id_is_not_looked_up_offline(monkeypatch):
    monkeypatch.setenv("SAESTEER_OFFLINE", "1")
    with pytest.raises(
        NotAModel, match=r"someone/no-such-model cannot be loaded .*\(offline: only local files\)"
    ):
        load_model("someone/no-such-model")


def test_a_hub_that_cannot_be_found_is_not_asked_again_and_again(monkeypatch, caplog):
    asked = []

    def unknown(host, *others):
        asked.append(host)
        raise socket.gaierror("Name or service not known")

    for name in ("SAESTEER_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.test")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(NotAModel, match=r"my-model cannot be loaded .*\(offline: only local files\)"):
        load_model("my-model")
    assert set(asked) == {"hub.test"} and "Retrying" not in caplog.text


def test_an_unknown_type_and_one_that_is_no_causal_model(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "novelty"}))
    with pytest.raises(NotAModel, match="novelty"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(NotAModel, match="is a clip model, which is no causal language model"):
        load_model(folder)


def test_code_in_a_folder_is_never_run(folder):
    (folder / "evil.py").write_text("raise SystemExit('ran')\nclass M: pass\nclass C: pass\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(NotAModel):
        load_model(folder)


def test_weights_that_are_pickled_broken_or_missing(folder):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFile, match="holds broken weights"):
        load_model(folder)
    weights.unlink()
    torch.save(build("llama").state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(NotAModel, match="cannot be loaded"):
        load_model(folder)


def test_weights_of_another_config(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}))
    with pytest.raises(NotAModel, match=r"lacks 9 weights, such as model.layers.3"):
        load_model(folder)


def test_options_that_do_not_exist(folder):
    with pytest.raises(UnknownName, match="did you mean 'float32'"):
        load_model(folder, dtype="float23")
    with pytest.raises(UnknownName, match="unknown attention 'flash'"):
        load_model(folder, attention="flash")
    with pytest.raises(InputError, match="the device 'gpu' cannot be used"):
        load_model(folder, device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="the device 'cuda' cannot be used"):
            load_model(folder, device="cuda")


def test_the_fingerprint_is_the_weights(folder, llama):
    loaded = load_model(folder)
    assert loaded.fingerprint() == llama.fingerprint() == load_model(folder, dtype="bfloat16").fingerprint()
    assert load_model(folder, attention="eager").fingerprint() == llama.fingerprint()
    others = {language_model(name).fingerprint() for name in CONFIGS}
    assert len(others) == len(CONFIGS) and llama.fingerprint() in others and len(llama.fingerprint()) == 32
    loaded = load_model(folder)
    with torch.no_grad():
        loaded.hf.model.layers[1].mlp.up_proj.weight.mul_(1.02)
    assert loaded.fingerprint() != llama.fingerprint()
