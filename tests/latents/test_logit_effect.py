import pytest
import torch
from torch import nn
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from saesteer.errors import InputError, ShapeMismatch
from saesteer.latents import logit_effect
from saesteer.latents.logit_effect import through_norm
from tests.latents.tiny import WIDTH, WORDS


def norms():
    torch.manual_seed(0)
    layer, llama, gemma = nn.LayerNorm(WIDTH), LlamaRMSNorm(WIDTH), GemmaRMSNorm(WIDTH)
    with torch.no_grad():
        for norm in (layer, llama, gemma):
            norm.weight.copy_(torch.randn(WIDTH))
        layer.bias.copy_(torch.randn(WIDTH))
    return {
        "layer": (layer, lambda x: (x - x.mean()) * layer.weight),
        "llama": (llama, lambda x: x * llama.weight),
        "gemma": (gemma, lambda x: x * (1 + gemma.weight)),
    }


@pytest.mark.parametrize("name", ["layer", "llama", "gemma"])
def test_weights_and_centring_are_read_off_the_norm(name):
    norm, linear = norms()[name]
    direction = torch.randn(WIDTH)
    torch.testing.assert_close(
        through_norm(norm, direction), linear(direction).detach(), rtol=1e-3, atol=1e-3
    )


def test_promoted_tokens_are_those_whose_logits_rise(lm):
    direction = torch.randn(WIDTH)
    found = logit_effect(lm, direction, n=5)
    with torch.no_grad():
        logits = lm.hf.lm_head(direction * lm.hf.model.norm.weight)
    logits = logits - logits.mean()
    values, ids = logits.sort(descending=True)
    assert [each.id for each in found.promoted] == ids[:5].tolist()
    assert [each.id for each in found.suppressed] == ids.flip(0)[:5].tolist()
    assert [each.effect for each in found.promoted] == pytest.approx(values[:5].tolist(), rel=1e-3)
    assert {each.token.strip() for each in found.promoted} <= {*WORDS, "<pad>", "<bos>", "<eos>", "<unk>"}


def test_the_norms_weights_matter(lm):
    with torch.no_grad():
        before = lm.hf.model.norm.weight.clone()
        lm.hf.model.norm.weight.copy_(torch.linspace(0, 10, WIDTH))
    try:
        direction = torch.linspace(-1, 1, WIDTH)
        folded, plain = (logit_effect(lm, direction, fold_norm=each) for each in (True, False))
    finally:
        with torch.no_grad():
            lm.hf.model.norm.weight.copy_(before)
    assert folded.promoted[0].effect != pytest.approx(plain.promoted[0].effect)
    expected = lm.hf.lm_head.weight.detach() @ direction
    assert plain.promoted[0].effect == pytest.approx(float(expected.max() - expected.mean()), rel=1e-4)


def test_bad_directions_are_refused(lm):
    with pytest.raises(ShapeMismatch, match=r"the direction is \[7\] but the stream is 32 wide"):
        logit_effect(lm, torch.zeros(7))
    with pytest.raises(InputError, match="finite direction"):
        logit_effect(lm, torch.full((WIDTH,), float("nan")))
