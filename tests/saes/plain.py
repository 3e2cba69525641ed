"""Every format's encoder and decoder in plain NumPy, from the specifications alone; imports nothing of ours.

Each function takes what the files hold, in the format's own terms, and activations [tokens, d_in]; it gives
latents and reconstruction in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Arrays = dict[str, Any]
Both = tuple[np.ndarray, np.ndarray]


def wide(arrays: Arrays) -> Arrays:
    return {name: np.asarray(each, dtype=np.float64) for name, each in arrays.items()}


def relu(h: np.ndarray) -> np.ndarray:
    return np.where(h > 0, h, 0.0)


def top(h: np.ndarray, k: int, f: Any = relu) -> np.ndarray:
    """f of the k largest of each row, zeros elsewhere."""
    z = np.zeros_like(h)
    for row, out in zip(h, z, strict=True):
        chosen = np.argsort(-row, kind="stable")[:k]
        out[chosen] = f(row[chosen])
    return z


def standardised(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mu = x.mean(-1, keepdims=True)
    s = np.sqrt(((x - mu) ** 2).sum(-1, keepdims=True) / (x.shape[-1] - 1))
    return (x - mu) / (s + 1e-5), mu, s


POSTACTS = {"relu": relu, "sigmoid": lambda h: 1 / (1 + np.exp(-h)), "tanh": np.tanh, "identity": lambda h: h}


def sae_lens(cfg: dict[str, Any], arrays: Arrays, x: np.ndarray) -> Both:
    """steered_evaluation.md section 3."""
    t, norm = wide(arrays), cfg.get("normalize_activations", "none")
    seen, mu, s = x, 0.0, 1.0
    if norm == "layer_norm":
        seen, mu, s = standardised(x)
    elif norm == "constant_norm_rescale":
        s = np.sqrt((x**2).sum(-1, keepdims=True)) / np.sqrt(x.shape[-1])
        seen = x / s
    if cfg.get("apply_b_dec_to_input", True):
        seen = seen - t["b_dec"]
    kind, skip, out = cfg["architecture"], 0.0, True
    if kind.endswith("transcoder"):
        out = False
        if "skip" in kind:
            skip = x @ t["W_skip"].T
        kind = {"transcoder": "standard", "skip_transcoder": "standard"}.get(kind, kind.split("_")[0])
    if kind == "gated":
        gate = seen @ t["W_enc"] + t["b_gate"] > 0
        z = gate * relu(seen @ (t["W_enc"] * np.exp(t["r_mag"])) + t["b_mag"])
    else:
        h = seen @ t["W_enc"] + t["b_enc"]
        length = np.sqrt((t["W_dec"] ** 2).sum(-1))
        if cfg.get("rescale_acts_by_decoder_norm"):
            h = h * length
        if kind == "standard":
            z = relu(h)
        elif kind == "topk":
            z = top(h, cfg["k"])
        elif kind == "jumprelu":
            z = relu(h) * (h > t["threshold"])
        else:  # batchtopk and matryoshka, as they are used
            z = relu(h) * (h > t["topk_threshold"])
        if cfg.get("rescale_acts_by_decoder_norm"):
            return z, ((z / length) @ t["W_dec"] + t["b_dec"]) * s + mu
    xhat = z @ t["W_dec"] + t["b_dec"]
    return z, xhat * s + mu if out else xhat + skip


def sparsify(cfg: dict[str, Any], arrays: Arrays, x: np.ndarray) -> Both:
    """A linear encoder, ReLU, top-k; W_dec has a row per latent; an SAE takes b_dec off first."""
    t = wide(arrays)
    seen = x if cfg["transcode"] else x - t["b_dec"]
    z = top(relu(seen @ t["encoder.weight"].T + t["encoder.bias"]), cfg["k"])
    y = z @ t["W_dec"] + t["b_dec"]
    return z, y + x @ t["W_skip"].T if cfg["skip_connection"] else y


def gemma_scope(arrays: Arrays, x: np.ndarray) -> Both:
    t = wide(arrays)
    h = x @ t["W_enc"] + t["b_enc"]
    z = relu(h) * (h > t["threshold"])
    return z, z @ t["W_dec"] + t["b_dec"]


def gemma_scope_2(arrays: Arrays, x: np.ndarray) -> Both:
    t = wide(arrays)
    h = x @ t["w_enc"] + t["b_enc"]
    z = relu(h) * (h > t["threshold"])
    y = z @ t["w_dec"] + t["b_dec"]
    return z, y + x @ t["affine_skip_connection"] if "affine_skip_connection" in t else y


def openai(state: dict[str, Any], x: np.ndarray) -> Both:
    """topic_alignment.md section 4."""
    t = wide({name: each for name, each in state.items() if hasattr(each, "shape")})
    name = state.get("activation", "ReLU")
    seen, mu, s = standardised(x) if name == "TopK" else (x, 0.0, 1.0)
    h = (seen - t["pre_bias"]) @ t["encoder.weight"].T + t["latent_bias"]
    if name == "TopK":
        inner = state["activation_state_dict"]
        z = top(h, inner["k"], POSTACTS[inner["postact_fn"].lower()])
    else:
        z = relu(h) if name == "ReLU" else h
    decoder = t["decoder.weight"] if "decoder.weight" in t else t["encoder.weight"].T
    return z, (z @ decoder.T + t["pre_bias"]) * s + mu


def dictionary_learning(name: str, arrays: Arrays, x: np.ndarray) -> Both:
    t = wide(arrays)
    if name in {"MatryoshkaBatchTopKSAE", "JumpReluAutoEncoder"}:
        W_enc, W_dec, b_enc, b_dec = (t[each] for each in ("W_enc", "W_dec", "b_enc", "b_dec"))
        seen = x if name == "JumpReluAutoEncoder" else x - b_dec
        h = seen @ W_enc + b_enc
        z = relu(h) * (h > t["threshold"])
        return z, z @ W_dec + b_dec
    encoder, decoder = t["encoder.weight"], t["decoder.weight"]
    if name == "GatedAutoEncoder":
        h = (x - t["decoder_bias"]) @ encoder.T
        z = (h + t["gate_bias"] > 0) * relu(np.exp(t["r_mag"]) * h + t["mag_bias"])
        return z, z @ decoder.T + t["decoder_bias"]
    b_dec = t[{"AutoEncoder": "bias", "AutoEncoderNew": "decoder.bias"}.get(name, "b_dec")]
    seen = x if name == "AutoEncoderNew" else x - b_dec
    h = seen @ encoder.T + t["encoder.bias"]
    if name == "AutoEncoderTopK":
        z = top(h, int(t["k"]))
    else:
        z = relu(h) * (h > t["threshold"]) if name == "BatchTopKSAE" else relu(h)
    return z, z @ decoder.T + b_dec


def scar(config: dict[str, Any], arrays: Arrays, x: np.ndarray) -> Both:
    """scar.md section 1."""
    t = wide(arrays)
    xn, mu, s = standardised(x)
    z = (xn - t["SAE.pre_bias"]) @ t["SAE.encoder.weight"].T + t["SAE.latent_bias"]
    name = config["activation"]
    if name.startswith("topk"):
        h = top(z, config["activation_k"], POSTACTS[name.partition("-")[2] or "relu"])
    elif name == "jumprelu":
        h = z * (z > np.exp(t["SAE.threshold"]))
    else:
        h = relu(z) if name == "relu" else z
    return h, (h @ t["SAE.decoder.weight"].T + t["SAE.pre_bias"]) * s + mu
