"""What latents write, against the logits that the model itself gives."""

import pytest
import torch

from saesteer.concepts import output_effect
from saesteer.errors import InputError
from saesteer.latents import logit_effect
from saesteer.text import Concept
from tests.concepts.test_contrast import AT, CONCEPT
from tests.latents.tiny import D_SAE, sae


def test_the_effect_is_the_mean_logit_of_the_texts_tokens(lm):
    coder = sae("standard", hook_name=AT)
    found = output_effect(lm, coder, CONCEPT)
    assert found.shape == (D_SAE,)
    for latent in (0, 5, D_SAE - 1):
        direction = coder.direction(latent)
        effect = logit_effect(lm, direction / direction.norm(), n=len(lm.tokenizer))
        of = {each.id: each.effect for each in effect.promoted}
        means = []
        for texts in (CONCEPT.positive, CONCEPT.negative):
            ids = [i for text in texts for i in lm.tokenize([text], bos=False).ids[0].tolist()]
            means.append(sum(of[i] for i in ids) / len(ids))
        assert float(found[latent]) == pytest.approx(means[0] - means[1], abs=1e-5)


def test_a_direction_towards_the_words_of_one_side_has_the_greatest_effect(lm):
    coder = sae("standard", hook_name=AT)
    sea = lm.tokenize(["sea ship wave sailor"], bos=False).ids[0]
    with torch.no_grad():
        coder.W_dec[3] = lm.hf.get_output_embeddings().weight[sea].mean(0)
        coder.W_dec[4] = -coder.W_dec[3]
    found = output_effect(lm, coder, CONCEPT)
    assert int(found.argmax()) == 3
    assert int(found.argmin()) == 4
    turned = output_effect(lm, coder, Concept("land", "", CONCEPT.negative, CONCEPT.positive))
    assert torch.allclose(turned, -found, atol=1e-6)


def test_an_sae_of_another_width_has_no_effect_on_tokens(lm):
    narrow = sae("standard", d_in=8, hook_name=AT)
    with pytest.raises(InputError, match="residual stream"):
        output_effect(lm, narrow, CONCEPT)
