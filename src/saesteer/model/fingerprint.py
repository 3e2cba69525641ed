"""What model this is: a hash of its kind and of a fixed sample of its weights, cheap on a large model."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

import torch
from torch import Tensor

SAMPLED: Final = 256  # values of each weight, evenly spaced
_FIELDS: Final = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "use_parallel_residual",
)


def fingerprint(hf: Any) -> str:
    """The same for the same weights, whatever their name, device or attention, in float32 or bfloat16.

    Values are compared as bfloat16, to which a load in either comes down. In float16 the smallest weights may
    round elsewhere, which gives another fingerprint.
    """
    digest = hashlib.sha256()
    config = {name: getattr(hf.config, name, None) for name in _FIELDS}
    digest.update(json.dumps(config, sort_keys=True).encode())
    for name, weight in sorted(hf.named_parameters()):
        digest.update(f"{name}{list(weight.shape)}".encode())
        digest.update(_sample(weight.detach()))
    return digest.hexdigest()[:32]


def _sample(weight: Tensor) -> bytes:
    flat = weight.reshape(-1)
    step = max(1, flat.numel() // SAMPLED)
    values = flat[::step].to(torch.bfloat16).cpu().view(torch.int16)
    return bytes(values.numpy().astype("<i2").tobytes())
