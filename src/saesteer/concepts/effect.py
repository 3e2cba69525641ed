"""What latents write: how far a latent's direction speaks for the tokens of a concept's texts.

A latent that reads a concept need not make the model write it; this tells the two apart without a forward
pass. Knows texts and the unembedding (the direct path only), not what a latent is active on.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.latents.logit_effect import final_norm, linear_part
from saesteer.model import LanguageModel
from saesteer.saes import SAE
from saesteer.text import Concept


@torch.no_grad()
def output_effect(lm: LanguageModel, sae: SAE, concept: Concept) -> Float[Tensor, " d_sae"]:
    """The mean logit that one unit along each latent's direction gives to tokens as the positive texts use
    them, less the same for the negative texts.

    Directions have length one, so that latents compare. Raises InputError where the SAE does not write to the
    residual stream.
    """
    unembedding = lm.hf.get_output_embeddings().weight
    if sae.W_dec.shape[1] != unembedding.shape[1]:
        raise InputError(
            f"directions of width {sae.W_dec.shape[1]} are not in the stream, which is "
            f"{unembedding.shape[1]} wide; only an SAE of the residual stream has an effect on tokens"
        )
    more = _shares(lm, concept.positive) - _shares(lm, concept.negative)  # sums to 0: a constant adds nothing
    target = more.to(unembedding.device) @ unembedding.float()
    weight, centres = linear_part(final_norm(lm), target)
    target = target * weight
    if centres:
        target = target - target.mean()
    directions = sae.W_dec.to(target.device, torch.float32)
    return (directions @ target / directions.norm(dim=1).clamp_min(1e-12)).cpu()


def _shares(lm: LanguageModel, texts: tuple[str, ...]) -> Float[Tensor, " vocab"]:
    """The share of each token among those of the texts (BOS left out)."""
    tokens = lm.tokenize(texts, bos=False)
    vocabulary = len(lm.hf.get_output_embeddings().weight)
    counts = torch.bincount(tokens.ids[tokens.mask], minlength=vocabulary).float()
    return counts / counts.sum()
