"""Spellings of hookpoints and what is said about one that is not there."""

from __future__ import annotations

import pytest

from saesteer.errors import MissingHookpoint
from tests.model.small import language_model


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("blocks.1.hook_resid_pre", "layers.1.in"),
        ("blocks.1.hook_resid_mid", "layers.1.mid"),
        ("blocks.1.hook_resid_post", "layers.1"),
        ("blocks.1.hook_attn_out", "layers.1.attn"),
        ("blocks.1.hook_mlp_out", "layers.1.mlp"),
        ("blocks.1.mlp.hook_post", "layers.1.mlp.act"),
        ("blocks.1.attn.hook_z", "layers.1.attn.heads"),
        ("hook_embed", "embed"),
        ("layers.1.mlp.act", "layers.1.mlp.act"),
    ],
)
def test_names_of_other_libraries(lm, spelling, canonical):
    if canonical in lm.hookpoints():
        assert lm.hookpoint(spelling) == canonical
    else:
        assert (lm.name, canonical) == ("gpt_neox", "layers.1.mid")


@pytest.mark.parametrize(
    ("name", "spelling", "canonical"),
    [
        ("gpt2", "h.1", "layers.1"),  # sparsify
        ("gpt2", "h.1.mlp", "layers.1.mlp"),
        ("gpt2", "h.1.attn", "layers.1.attn"),
        ("gpt2", "transformer.h.1", "layers.1"),
        ("gpt2", "blocks.1.ln2.hook_normalized", "layers.1.mlp.in"),
        ("gpt_neox", "gpt_neox.layers.1.attention", "layers.1.attn"),
        ("gpt_neox", "layers.1.attention", "layers.1.attn"),
        ("llama", "model.layers.1.mlp", "layers.1.mlp"),
        ("llama", "model.layers.1.mlp.down_proj.in", "layers.1.mlp.act"),
        ("llama", "layers.1.self_attn", "layers.1.attn"),
        ("llama", "model.norm.in", "final_norm.in"),
        ("llama", "layers.1.mlp.up_proj", "model.layers.1.mlp.up_proj"),
        ("gemma2", "model.layers.1.mlp", "model.layers.1.mlp"),  # before the norm, so not what is added
        ("gemma2", "model.layers.1.post_feedforward_layernorm", "layers.1.mlp"),
        ("olmo2", "model.layers.1.mlp.in", "layers.1.mlp.in"),
    ],
)
def test_module_paths_that_mean_a_hookpoint_are_it(name, spelling, canonical):
    assert language_model(name).hookpoint(spelling) == canonical


def test_canonical_names_come_in_the_order_of_computation(llama):
    assert llama.hookpoints()[:9] == [
        "embed", "layers.0.in", "layers.0.attn.heads", "layers.0.attn", "layers.0.mid", "layers.0.mlp.in",
        "layers.0.mlp.act", "layers.0.mlp", "layers.0",
    ]  # fmt: skip
    assert llama.hookpoints()[-1] == "final_norm.in" and len(llama.hookpoints()) == 2 + 3 * 8


@pytest.mark.parametrize(
    ("name", "address", "message"),
    [
        ("llama", "layers.7", r"llama model has no hookpoint 'layers.7'; its layers are 0 to 2"),
        ("llama", "blocks.3.hook_resid_post", r"'blocks.3.hook_resid_post'; its layers are 0 to 2"),
        ("llama", "layers.1.mpl", r"did you mean 'layers.1.mlp'\?"),
        ("llama", "layer.1", r"did you mean 'layers.1'\?"),
        ("llama", "", r"no hookpoint ''; it has layers.0 to layers.2, each also with .in .mid .attn"),
        ("gpt_neox", "layers.1.mid", r"read the same residual; use layers.1.in"),
        ("llama", "blocks.1.hook_mlp_in", r"read layers.1.mid, edit layers.1.mlp.in"),
        ("llama", "blocks.1.ln2.hook_normalized", r"use layers.1.mlp.in, scaled"),
        ("llama", "blocks.1.mlp.hook_pre", r"has no hookpoint 'blocks.1.mlp.hook_pre'"),
    ],
)
def test_a_hookpoint_that_is_not_there(name, address, message):
    with pytest.raises(MissingHookpoint, match=message):
        language_model(name).hookpoint(address)
