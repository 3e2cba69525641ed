"""The doctor finds nothing on a healthy model and something on an ill one."""

from __future__ import annotations

import pytest
import torch
import transformers

from saesteer.model import LanguageModel, doctor
from tests.model.small import build, language_model, tokenizer


def failed(lm: LanguageModel) -> set[str]:
    return {check.name for check in doctor.examine(lm) if not check.ok}


def test_a_healthy_model(lm):
    checks = doctor.examine(lm)
    assert {check.name: check.detail for check in checks if not check.ok} == {}
    assert [check.name for check in checks] == ["versions", "model", *doctor.CHECKS]
    assert "torch 2" in checks[0].detail and lm.fingerprint() in checks[1].detail


def test_healthy_in_half_precision():
    assert failed(language_model("gemma3_text", "eager", "bfloat16")) == set()


def test_a_model_whose_hooks_change_something(monkeypatch):
    monkeypatch.setattr(
        doctor.Copy, "__call__", lambda self, x, at: x + 1e-3 * (self.hookpoint == "layers.1")
    )
    assert failed(language_model("llama")) == {"inert hooks", "generation"}


def test_a_model_that_sees_its_padding():
    """A model that ignores the mask and the positions it is given."""
    hf = transformers.LlamaForCausalLM(build("llama").config)
    hf.load_state_dict(build("llama").state_dict())
    plain = hf.forward
    hf.forward = lambda *args, attention_mask=None, position_ids=None, **kwargs: plain(*args, **kwargs)
    assert failed(LanguageModel(hf, tokenizer())) == {"padding"}


def test_a_hook_point_without_effect_and_parts_that_do_not_add_up():
    hf = transformers.LlamaForCausalLM(build("llama").config)

    class Deaf(torch.nn.Module):
        def forward(self, x):
            return 0 * x[..., :24].sum() + torch.ones_like(x[..., :16])

    hf.model.layers[1].mlp.down_proj = Deaf()
    [check] = [check for check in doctor.examine(LanguageModel(hf)) if not check.ok]
    assert check.name == "intervene" and "no effect at layers.1.mlp.in, layers.1.mlp.act" in check.detail


def test_a_model_that_cannot_be_run_is_a_result_not_a_crash():
    hf = transformers.LlamaForCausalLM(build("llama").config)
    hf.model.layers[2].mlp.up_proj = torch.nn.Linear(5, 24)
    bad = {check.name: check.detail for check in doctor.examine(LanguageModel(hf)) if not check.ok}
    assert (
        set(bad) == set(doctor.CHECKS) - {"hooks left", "tokenizer"}
        and "shapes cannot be multiplied" in bad["record"]
    )


def test_a_family_without_names_is_told():
    config = transformers.OPTConfig(
        vocab_size=64, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=24,
        max_position_embeddings=64, word_embed_proj_dim=16,
    )  # fmt: skip
    assert failed(LanguageModel(transformers.AutoModelForCausalLM.from_config(config))) == {"hookpoints"}


@pytest.mark.parametrize("size", [4, 64, 500])
def test_rows_fit_any_vocabulary(size):
    config = transformers.LlamaConfig(
        vocab_size=size, hidden_size=16, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    rows = doctor._rows(LanguageModel(transformers.LlamaForCausalLM(config)))
    assert [len(row) for row in rows] == [4, 7, 10] and max(max(row) for row in rows) < size
