"""Small files of every foreign format, made to the specifications; each comes with its plain encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tests.saes import plain

D, N, OUT, K = 16, 48, 12, 5


@dataclass(frozen=True)
class Made:
    """Files, what is to be loaded, and what should come of it."""

    path: Path
    weights: Path
    both: Callable[[np.ndarray], plain.Both]
    hook_name: str
    architecture: str


def draw(seed: int = 0) -> Callable[..., torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape, by=1.0: by * torch.randn(shape, generator=generator)


def positive(seed: int = 1) -> torch.Tensor:
    return 3 * torch.rand(N, generator=torch.Generator().manual_seed(seed)) + 0.1


def as_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def sae_lens(
    root: Path,
    architecture: str,
    norm: str = "none",
    apply_b_dec: bool = True,
    rescale: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Made:
    rand, transcoder = draw(), architecture.endswith("transcoder")
    cfg = {
        "architecture": architecture,
        "d_in": D,
        "d_sae": N,
        "dtype": str(dtype).split(".")[1],
        "device": "cpu",
    }
    cfg |= {"normalize_activations": norm, "apply_b_dec_to_input": apply_b_dec and not transcoder}
    cfg["metadata"] = {"sae_lens_version": "6.54.12", "hook_name": "blocks.2.hook_resid_post"}
    out = OUT if transcoder else D
    t = {"W_enc": rand(D, N), "W_dec": rand(N, out), "b_dec": rand(out)}
    if transcoder:
        cfg["d_out"] = OUT
    if architecture == "gated":
        t |= {"b_gate": rand(N), "b_mag": rand(N), "r_mag": rand(N, by=0.3)}
    else:
        t["b_enc"] = rand(N)
    if "topk" in architecture:
        cfg |= {"k": K, "rescale_acts_by_decoder_norm": rescale}
    if architecture.startswith("jumprelu"):
        t["threshold"] = positive()
    if architecture in {"batchtopk", "matryoshka_batchtopk"}:
        t["topk_threshold"] = torch.tensor(2.5, dtype=torch.float64)
    if "skip" in architecture:
        t["W_skip"] = rand(OUT, D)
    as_json(root / "cfg.json", cfg)
    t = {name: each if each.ndim == 0 else each.to(dtype) for name, each in t.items()}
    save_file(t, root / "sae_weights.safetensors")
    arrays = {name: each.double().numpy() for name, each in t.items()}
    kept = {"batchtopk": "jumprelu", "matryoshka_batchtopk": "jumprelu"}.get(architecture, architecture)
    both = partial(plain.sae_lens, cfg, arrays)
    return Made(root, root / "sae_weights.safetensors", both, "blocks.2.hook_resid_post", kept)


def sparsify(root: Path, transcode: bool = False, skip: bool = False, folder: str = "layers.4.mlp") -> Made:
    rand = draw()
    cfg = {
        "activation": "topk",
        "expansion_factor": N // D,
        "normalize_decoder": True,
        "num_latents": 0,
        "k": K,
    }
    cfg |= {"multi_topk": False, "skip_connection": skip, "transcode": transcode, "d_in": D}
    t = {"encoder.weight": rand(N, D), "encoder.bias": rand(N), "W_dec": rand(N, D), "b_dec": rand(D)}
    if skip:
        t["W_skip"] = rand(D, D)
    as_json(root / "config.json", {"model": "some/model"})
    as_json(root / folder / "cfg.json", cfg)
    save_file(t, root / folder / "sae.safetensors")
    kind = {(False, False): "topk", (True, False): "topk_transcoder", (True, True): "topk_skip_transcoder"}
    hook = "layers.4.mlp.in" if transcode else "layers.4.mlp"
    both = partial(plain.sparsify, cfg, numpy(t))
    return Made(root / folder, root / folder / "sae.safetensors", both, hook, kind[transcode, skip])


def gemma_scope(root: Path, site: str = "res", lower: bool = False, compressed: bool = False) -> Made:
    rand = draw()
    t = {
        "W_enc": rand(D, N),
        "W_dec": rand(N, D),
        "b_enc": rand(N),
        "b_dec": rand(D),
        "threshold": positive(),
    }
    folder = root / f"gemma-scope-2b-pt-{site}" / "layer_20" / "width_16k" / "average_l0_71"
    folder.mkdir(parents=True)
    write = np.savez_compressed if compressed else np.savez
    write(folder / "params.npz", **{n.replace("W_", "w_") if lower else n: e.numpy() for n, e in t.items()})
    hook = {"res": "layers.20", "mlp": "layers.20.mlp", "att": "layers.20.attn.heads"}.get(
        site, "blocks.20.ln2.hook_normalized"
    )
    kind = "jumprelu_transcoder" if site == "transcoders" else "jumprelu"
    return Made(folder, folder / "params.npz", partial(plain.gemma_scope, numpy(t)), hook, kind)


def gemma_scope_2(root: Path, transcoder: bool = False, skip: bool = False, config: bool = True) -> Made:
    rand = draw()
    out = OUT if transcoder else D
    t = {
        "w_enc": rand(D, N),
        "w_dec": rand(N, out),
        "b_enc": rand(N),
        "b_dec": rand(out),
        "threshold": positive(),
    }
    if skip:
        t["affine_skip_connection"] = rand(D, OUT)
    site = "transcoder_all" if transcoder else "resid_post"
    folder = root / "gemma-scope-2-1b-pt" / site / "layer_9_width_16k_l0_small"
    raw = {
        "architecture": "jump_relu",
        "model_name": "gemma-v3-1b-pt",
        "hf_hook_point_in": "model.layers.9.output",
    }
    if transcoder:
        raw["hf_hook_point_in"] = "model.layers.9.pre_feedforward_layernorm.output"
        raw["hf_hook_point_out"] = "model.layers.9.post_feedforward_layernorm.output"
    folder.mkdir(parents=True)
    if config:
        as_json(folder / "config.json", raw)
    save_file(t, folder / "params.safetensors")
    kind = "jumprelu" if not transcoder else "jumprelu_skip_transcoder" if skip else "jumprelu_transcoder"
    both = partial(plain.gemma_scope_2, numpy(t))
    hook = "layers.9.mlp.in" if transcoder else "layers.9"
    return Made(folder, folder / "params.safetensors", both, hook, kind)


def openai(root: Path, version: int = 5, tied: bool = False, postact: str = "ReLU") -> Made:
    rand = draw()
    state: dict[str, Any] = {"pre_bias": rand(D), "latent_bias": rand(N), "encoder.weight": rand(N, D)}
    state |= {"stats_last_nonzero": torch.zeros(N, dtype=torch.int64)}
    if not tied:
        state["decoder.weight"] = rand(D, N)
    if version > 1:
        state |= {"latents_activation_frequency": torch.ones(N), "latents_mean_square": torch.ones(N)}
        state |= {"activation": "ReLU", "activation_state_dict": {}}
    if version == 5:
        state |= {"activation": "TopK", "activation_state_dict": {"k": K, "postact_fn": postact}}
    location = {1: "mlp_post_act", 4: "resid_delta_mlp_v4", 5: "resid_post_attn_v5_32k"}[version]
    path = root / "gpt2-small" / location / "autoencoders" / "7.pt"
    path.parent.mkdir(parents=True)
    torch.save(state, path)
    both = partial(plain.openai, {n: e.numpy() if hasattr(e, "numpy") else e for n, e in state.items()})
    hook = {1: "layers.7.mlp.act", 4: "layers.7.mlp", 5: "layers.7.mid"}[version]
    return Made(path, path, both, hook, "topk" if version == 5 else "standard")


def dictionary_learning(root: Path, name: str) -> Made:
    rand = draw()
    if name in {"MatryoshkaBatchTopKSAE", "JumpReluAutoEncoder"}:
        t = {"W_enc": rand(D, N), "W_dec": rand(N, D), "b_enc": rand(N), "b_dec": rand(D)}
    else:
        t = {"encoder.weight": rand(N, D), "decoder.weight": rand(D, N)}
        bias = {"AutoEncoder": "bias", "AutoEncoderNew": "decoder.bias", "GatedAutoEncoder": "decoder_bias"}
        t[bias.get(name, "b_dec")] = rand(D)
        t |= {"encoder.bias": rand(N)} if name != "GatedAutoEncoder" else {}
    if name == "GatedAutoEncoder":
        t |= {"gate_bias": rand(N), "mag_bias": rand(N), "r_mag": rand(N, by=0.3)}
    if name == "JumpReluAutoEncoder":
        t["threshold"] = positive()
    trainer: dict[str, Any] = {
        "dict_class": name,
        "activation_dim": D,
        "dict_size": N,
        "lm_name": "some/model",
    }
    trainer |= {"layer": 3, "submodule_name": "resid_post_layer_3"}
    if "TopK" in name:
        t |= {"k": torch.tensor(K), "threshold": torch.tensor(2.5)}
        trainer["k"] = K + 1
    if name == "MatryoshkaBatchTopKSAE":
        t["group_sizes"] = torch.tensor([N // 2, N // 2])
    as_json(root / "config.json", {"trainer": trainer, "buffer": {"ctx_len": 128}})
    torch.save(t, root / "ae.pt")
    kind = {"GatedAutoEncoder": "gated", "AutoEncoderTopK": "topk", "AutoEncoder": "standard"}
    kind["AutoEncoderNew"] = "standard"
    both = partial(plain.dictionary_learning, name, numpy(t))
    return Made(root, root / "ae.pt", both, "layers.3", kind.get(name, "jumprelu"))


def scar(root: Path, activation: str = "topk", dtype: torch.dtype = torch.float32) -> Made:
    rand = draw()
    t = {"SAE.pre_bias": rand(D), "SAE.latent_bias": rand(N), "SAE.encoder.weight": rand(N, D)}
    t["SAE.decoder.weight"] = rand(D, N)
    if activation == "jumprelu":
        t["SAE.threshold"] = rand(N, by=0.5)
    config = {
        "model_type": "llama3_SAE",
        "base_model_name": "some/llama",
        "hook_block_num": 2,
        "n_latents": N,
    }
    config |= {"n_inputs": D, "activation": activation, "activation_k": K, "site": "mlp"}
    config |= {"normalize": False, "tied": True, "auto_map": {"AutoModelForCausalLM": "evil.py"}}
    t = {name: each.to(dtype) for name, each in t.items()}
    as_json(root / "config.json", config)
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    lm = {"model.embed_tokens.weight": rand(7, D), "lm_head.weight": rand(7, D)}
    names = list(t)
    parts = {first: lm | {n: t[n] for n in names[:1]}, second: {n: t[n] for n in names[1:]}}
    for file, tensors in parts.items():
        save_file(tensors, root / file)
    places = {name: file for file, tensors in parts.items() for name in tensors}
    as_json(root / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})
    kind = {"relu": "standard", "jumprelu": "jumprelu"}.get(activation, "topk")
    arrays = {name: each.double().numpy() for name, each in t.items()}
    return Made(root, root / second, partial(plain.scar, config, arrays), "layers.2.mlp", kind)


def numpy(tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {name: each.numpy() for name, each in tensors.items()}


CLASSES = (
    "AutoEncoder",
    "AutoEncoderNew",
    "AutoEncoderTopK",
    "BatchTopKSAE",
    "GatedAutoEncoder",
    "JumpReluAutoEncoder",
    "MatryoshkaBatchTopKSAE",
)
SAE_LENS = ("standard", "gated", "topk", "jumprelu", "batchtopk", "matryoshka_batchtopk")
SAE_LENS += ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")

MADE: dict[str, Callable[[Path], Made]] = {
    **{f"sae_lens-{kind}": partial(sae_lens, architecture=kind) for kind in SAE_LENS},
    "sae_lens-batchtopk-rescaled": partial(sae_lens, architecture="batchtopk", rescale=True),
    "sae_lens-matryoshka_batchtopk-raw": partial(
        sae_lens, architecture="matryoshka_batchtopk", apply_b_dec=False
    ),
    "sparsify-sae": sparsify,
    "sparsify-transcoder": partial(sparsify, transcode=True),
    "sparsify-skip_transcoder": partial(sparsify, transcode=True, skip=True),
    **{
        f"gemma_scope-{site}": partial(gemma_scope, site=site)
        for site in ("res", "mlp", "att", "transcoders")
    },
    "gemma_scope-lower": partial(gemma_scope, lower=True),
    "gemma_scope-compressed": partial(gemma_scope, compressed=True),
    "gemma_scope_2-sae": gemma_scope_2,
    "gemma_scope_2-bare": partial(gemma_scope_2, config=False),
    "gemma_scope_2-transcoder": partial(gemma_scope_2, transcoder=True),
    "gemma_scope_2-transcoder-bare": partial(gemma_scope_2, transcoder=True, config=False),
    "gemma_scope_2-skip": partial(gemma_scope_2, transcoder=True, skip=True),
    **{f"openai-v{version}": partial(openai, version=version) for version in (1, 4, 5)},
    "openai-tied": partial(openai, tied=True),
    "openai-tied-relu": partial(openai, version=4, tied=True),
    "openai-identity": partial(openai, postact="Identity"),
    **{f"dictionary_learning-{name}": partial(dictionary_learning, name=name) for name in CLASSES},
    **{
        f"scar-{name}": partial(scar, activation=name)
        for name in ("topk", "topk-sigmoid", "topk-tanh", "relu", "identity", "jumprelu")
    },
    "scar-bfloat16": partial(scar, dtype=torch.bfloat16),
}
"""Name, which begins with the format -> its writer."""
