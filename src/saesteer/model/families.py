"""Where each family of models keeps what the canonical hookpoints mean. Knows names of modules; no tensor.

A new family is one line in FAMILIES. `attn` and `mlp` name the module whose output is added to the residual:
the block's own attention or MLP, or the norm behind it where the family has one (Gemma 2 and 3, OLMo 2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True)
class Family:
    """Paths of modules: the first three from the top of the model, the others from one block."""

    layers: str
    embed: str
    final_norm: str
    attn: str
    heads: str
    """The attention's output projection; its input are the heads' outputs, side by side."""
    mid: str
    """The module that reads the residual between attention and MLP, first of all that do."""
    mlp: str
    mlp_in: str
    act: str
    """The MLP's output projection; its input are the neurons."""
    parallel: str | None = None
    """The field of the config that says whether attention and MLP read the same residual (no `mid` then)."""
    layer_norms: bool = False
    """LayerNorm, not RMSNorm: what TransformerLens calls `hook_normalized` is what the MLP reads."""


LLAMA: Final = Family(
    layers="model.layers",
    embed="model.embed_tokens",
    final_norm="model.norm",
    attn="self_attn",
    heads="self_attn.o_proj",
    mid="post_attention_layernorm",
    mlp="mlp",
    mlp_in="mlp",
    act="mlp.down_proj",
)
GPT2: Final = Family(
    layers="transformer.h",
    embed="transformer.wte",
    final_norm="transformer.ln_f",
    attn="attn",
    heads="attn.c_proj",
    mid="ln_2",
    mlp="mlp",
    mlp_in="mlp",
    act="mlp.c_proj",
    layer_norms=True,
)
GPT_NEOX: Final = Family(
    layers="gpt_neox.layers",
    embed="gpt_neox.embed_in",
    final_norm="gpt_neox.final_layer_norm",
    attn="attention",
    heads="attention.dense",
    mid="post_attention_layernorm",
    mlp="mlp",
    mlp_in="mlp",
    act="mlp.dense_4h_to_h",
    parallel="use_parallel_residual",
    layer_norms=True,
)
GEMMA_2: Final = replace(
    LLAMA,
    attn="post_attention_layernorm",
    mid="pre_feedforward_layernorm",
    mlp="post_feedforward_layernorm",
)
OLMO_2: Final = replace(
    LLAMA, attn="post_attention_layernorm", mid="mlp", mlp="post_feedforward_layernorm"
)  # no norm before attention and MLP

# `model_type` of the Hugging Face config -> family.
FAMILIES: Final[dict[str, Family]] = {
    "gpt2": GPT2,
    "gpt_neox": GPT_NEOX,
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gemma": LLAMA,
    "gemma2": GEMMA_2,
    "gemma3_text": GEMMA_2,
    "phi3": LLAMA,
    "olmo2": OLMO_2,
}
