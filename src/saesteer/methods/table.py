"""The methods by name: where each lives, what it is and what it needs. Imports none of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from saesteer.names import Registry


@dataclass(frozen=True)
class Method:
    """Where a method lives and what it is."""

    target: str
    """module:function."""
    about: str
    """One line."""
    source: str = ""
    needs: tuple[str, ...] = ()
    """Beyond a model and a concept's texts: sae, judge, effects (a folder of measured effects), scores."""


TABLE: Final[dict[str, Method]] = {
    "diffmean": Method(
        "saesteer.methods.diffmean:diffmean",
        "mean over tokens of texts with the concept less that of texts without",
        "Marks and Tegmark 2023",
    ),
    "caa": Method(
        "saesteer.methods.caa:caa",
        "the same with each text counting once, however long",
        "arXiv 2312.06681",
    ),
    "pca": Method(
        "saesteer.methods.pca:pca",
        "first principal component of the differences of pairs of texts",
        "arXiv 2310.01405",
    ),
    "probe": Method(
        "saesteer.methods.probe:probe",
        "weights of a logistic regression between the two kinds of texts",
        "arXiv 2501.17148",
    ),
    "actadd": Method(
        "saesteer.methods.actadd:actadd",
        "activations of one prompt less those of another, place by place",
        "arXiv 2308.10248",
    ),
    "sae_decoder": Method(
        "saesteer.methods.sae_decoder:sae_decoder",
        "latents that a chooser picks: decoder rows added, or latents set",
        "arXiv 2505.20063",
        ("sae",),
    ),
    "scar_latent": Method(
        "saesteer.methods.scar_latent:scar_latent",
        "a latent that was conditioned on the concept, scaled where active",
        "arXiv 2411.07122",
        ("sae",),
    ),
    "corrsteer": Method(
        "saesteer.methods.corrsteer:corrsteer",
        "latents that correlate with a judge's score of the model's own texts",
        "arXiv 2508.12535",
        ("sae", "judge"),
    ),
    "sae_ts": Method(
        "saesteer.methods.sae_ts:sae_ts",
        "the vector whose predicted effects are the concept's latents and little else",
        "arXiv 2411.02193",
        ("sae", "effects"),
    ),
    "pinverse": Method(
        "saesteer.methods.pinverse:pinverse",
        "the same by the pseudo-inverse of the effect approximator",
        "arXiv 2411.02193",
        ("sae", "effects"),
    ),
    "rotation": Method(
        "saesteer.methods.rotation:rotation",
        "decoder rows turned as the effect approximator says",
        "arXiv 2411.02193",
        ("sae", "effects"),
    ),
    "fgaa": Method(
        "saesteer.methods.fgaa:fgaa",
        "the targeted vector of all latents that differ between the texts",
        "arXiv 2501.09929",
        ("sae", "effects"),
    ),
    "bias_direction": Method(
        "saesteer.methods.bias_direction:bias_direction",
        "against what every vector causes: the approximator's own intercept",
        "arXiv 2411.02193",
        ("sae", "effects"),
    ),
    "topic_alignment": Method(
        "saesteer.methods.topic_alignment:topic_alignment",
        "latents re-weighted, swapped or raised by how near the topic they fire",
        "arXiv 2506.12576",
        ("sae", "scores"),
    ),
    "trained": Method(
        "saesteer.methods.trained:trained",
        "a direction found by gradient: language modelling, or preference (RePS)",
        "arXiv 2505.20809",
    ),
    "opening": Method(
        "saesteer.methods.opening:opening",
        "a direction at the first places of the prompt alone, which the model then reads",
    ),
    "closed_loop": Method(
        "saesteer.methods.closed_loop:closed_loop",
        "a direction added until a probe finds the concept, or as far as it does not",
    ),
    "prompting": Method(
        "saesteer.methods.prompting:prompting",
        "prefixes that ask for the concept; makes no spec",
        "arXiv 2501.17148",
    ),
    "random_direction": Method(
        "saesteer.methods.random_direction:random_direction",
        "a direction drawn at random: the control that all must beat",
    ),
}
METHODS: Registry[Callable[..., Any]] = Registry(
    "method", {name: each.target for name, each in TABLE.items()}, group="saesteer.methods"
)
TUNERS: Registry[Callable[..., Any]] = Registry(
    "way of tuning",
    {"finetune": "saesteer.methods.finetune:finetune", "lora": "saesteer.methods.lora:lora"},
    group="saesteer.tuners",
)
