"""The tables of this room: architectures by their name in `cfg.json`, and SAEs with a name of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from saesteer.names import Registry
from saesteer.saes.gated import GatedSAE
from saesteer.saes.jumprelu import JumpReLUSAE
from saesteer.saes.relu import ReLUSAE
from saesteer.saes.sae import SAE
from saesteer.saes.topk import TopKSAE

ARCHITECTURES: Registry[type[SAE]] = Registry(
    "SAE architecture",
    {
        "standard": ReLUSAE,
        "gated": GatedSAE,
        "topk": TopKSAE,
        "jumprelu": JumpReLUSAE,  # BatchTopK and Matryoshka too, once trained: a constant threshold
        "transcoder": ReLUSAE,
        "skip_transcoder": ReLUSAE,
        "topk_transcoder": TopKSAE,
        "topk_skip_transcoder": TopKSAE,
        "jumprelu_transcoder": JumpReLUSAE,
        "jumprelu_skip_transcoder": JumpReLUSAE,
    },
    group="saesteer.architectures",
)

SAES: Registry[Callable[[], Path]] = Registry(
    "SAE",
    {
        "world/layers.3": "saesteer.world.assets:sae_layers_3",
        "world/layers.4.attn": "saesteer.world.assets:sae_layers_4_attn",
    },
    group="saesteer.saes",
)
