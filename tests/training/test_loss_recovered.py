"""Loss recovered on a small random Llama: its two ends, its middle, padding and BOS."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from saesteer.errors import InputError, ShapeMismatch
from saesteer.model import LanguageModel, Tokens
from saesteer.saes import ReLUSAE, SAEConfig
from saesteer.training import loss_recovered

D = 16
BOS = 1


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    config = LlamaConfig(
        vocab_size=40,
        hidden_size=D,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        initializer_range=0.5,
        bos_token_id=BOS,
        eos_token_id=2,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    return LanguageModel(LlamaForCausalLM(config).eval())


@pytest.fixture
def tokens() -> Tokens:
    draw = torch.Generator().manual_seed(0)
    rows = [[BOS, *torch.randint(3, 40, (length,), generator=draw).tolist()] for length in (9, 4, 12)]
    return Tokens.of(rows)


def _sae(decoder: torch.Tensor, b_dec: torch.Tensor | None = None) -> ReLUSAE:
    """Encodes x as its positive and its negative part."""
    eye = torch.eye(D)
    tensors = {"W_enc": torch.cat([eye, -eye], 1), "W_dec": decoder, "b_enc": torch.zeros(2 * D)}
    tensors["b_dec"] = torch.zeros(D) if b_dec is None else b_dec
    return ReLUSAE(SAEConfig("standard", D, 2 * D, apply_b_dec_to_input=False), tensors)


PERFECT = torch.cat([torch.eye(D), -torch.eye(D)])
NOTHING = torch.zeros(2 * D, D)


def test_a_perfect_sae_recovers_everything(lm, tokens):
    got = loss_recovered(lm, _sae(PERFECT), tokens, "layers.0")
    assert got.tokens == 9 + 4 + 12
    assert got.plain == pytest.approx(float(lm.nll(tokens).sum()) / got.tokens)
    assert got.spliced == pytest.approx(got.plain, abs=1e-5)
    assert got.over_zero == pytest.approx(1, abs=1e-3)
    assert got.over_mean == pytest.approx(1, abs=1e-3)
    assert abs(got.zero - got.plain) > 0.01 and abs(got.mean - got.plain) > 0.01


def test_an_sae_that_says_nothing_is_the_zero(lm, tokens):
    got = loss_recovered(lm, _sae(NOTHING), tokens, "layers.0")
    assert got.spliced == got.zero
    assert got.over_zero == 0


@pytest.mark.parametrize("skip_bos", [True, False])
def test_an_sae_that_says_the_mean_is_the_mean(lm, tokens, skip_bos):
    keep = tokens.mask.clone()
    keep[:, 0] &= not skip_bos
    mean = lm.record(tokens, ["layers.0"])["layers.0"][keep].mean(0)
    got = loss_recovered(lm, _sae(NOTHING, mean), tokens, "layers.0", skip_bos=skip_bos)
    assert got.spliced == pytest.approx(got.mean, abs=1e-5)
    assert got.over_mean == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("skip_bos", [True, False])
def test_zeros_by_hand(lm, tokens, skip_bos):
    """The same loss from a hook of one's own on the model itself, row by row without padding."""
    total = 0.0
    for row, mask in zip(tokens.ids, tokens.mask, strict=True):
        ids = row[mask][None]

        def zero(module, args, output):
            x = output[0] if isinstance(output, tuple) else output
            x = torch.cat([x[:, :1], torch.zeros_like(x[:, 1:])], 1) if skip_bos else torch.zeros_like(x)
            return (x, *output[1:]) if isinstance(output, tuple) else x

        handle = lm.hf.model.layers[0].register_forward_hook(zero)
        with torch.no_grad():
            logits = lm.hf(ids).logits[0, :-1]
        handle.remove()
        total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
    got = loss_recovered(lm, _sae(PERFECT), tokens, "layers.0", skip_bos=skip_bos)
    assert got.zero == pytest.approx(total / got.tokens, abs=1e-4)


def test_left_padding_changes_nothing(lm, tokens):
    rows = [row[mask].tolist() for row, mask in zip(tokens.ids, tokens.mask, strict=True)]
    left = loss_recovered(lm, _sae(0.5 * PERFECT), Tokens.of(rows, side="left"), "layers.0")
    right = loss_recovered(lm, _sae(0.5 * PERFECT), tokens, "layers.0")
    for name in ("plain", "spliced", "zero", "mean", "tokens"):
        assert getattr(left, name) == pytest.approx(getattr(right, name), abs=1e-4), name
    assert right.over_zero not in (0, 1)


def test_what_cannot_be_measured(lm, tokens):
    wide = ReLUSAE(
        SAEConfig("standard", 8, 2),
        {
            "W_enc": torch.ones(8, 2),
            "W_dec": torch.ones(2, 8),
            "b_enc": torch.ones(2),
            "b_dec": torch.ones(8),
        },
    )
    with pytest.raises(ShapeMismatch, match=r"d_in is 8 .*layers\.0 .*gives 16"):
        loss_recovered(lm, wide, tokens, "layers.0")
    with pytest.raises(InputError, match="no token has one before it"):
        loss_recovered(lm, _sae(PERFECT), Tokens.of([[BOS], [BOS]]), "layers.0")


def test_batches_are_one_set(lm, tokens):
    one = loss_recovered(lm, _sae(0.5 * PERFECT), tokens, "layers.0")
    rows = [Tokens.of([row[mask].tolist()]) for row, mask in zip(tokens.ids, tokens.mask, strict=True)]
    several = loss_recovered(lm, _sae(0.5 * PERFECT), rows, "layers.0")
    for name in ("plain", "spliced", "zero", "mean", "tokens"):
        assert getattr(several, name) == pytest.approx(getattr(one, name), abs=1e-4), name


def _transcoder(read: str, write: str, decoder: torch.Tensor) -> ReLUSAE:
    eye = torch.eye(D)
    tensors = {"W_enc": torch.cat([eye, -eye], 1), "W_dec": decoder, "b_enc": torch.zeros(2 * D)}
    names = {"hook_name": read, "hook_name_out": write, "apply_b_dec_to_input": False}
    return ReLUSAE(SAEConfig("transcoder", D, 2 * D, d_out=D, **names), tensors | {"b_dec": torch.zeros(D)})


def test_a_transcoder_is_spliced_where_it_writes(lm, tokens):
    """It reads what leaves block 0 and writes what enters block 1: the same, said by an identity."""
    same = loss_recovered(lm, _transcoder("layers.0", "layers.1.in", PERFECT), tokens, "layers.1.in")
    assert same.spliced == pytest.approx(same.plain, abs=1e-5)
    like = loss_recovered(lm, _sae(0.5 * PERFECT), tokens, "layers.1.in")
    half = loss_recovered(lm, _transcoder("layers.0", "layers.1.in", 0.5 * PERFECT), tokens, "layers.1.in")
    assert half.spliced == pytest.approx(like.spliced, abs=1e-5) and abs(half.spliced - half.plain) > 1e-3
    other = loss_recovered(lm, _transcoder("layers.0.in", "layers.1.in", PERFECT), tokens, "layers.1.in")
    assert abs(other.spliced - other.plain) > 1e-3  # it reads another place
    given = loss_recovered(lm, _transcoder("", "", PERFECT), tokens, "layers.1.in", source="layers.0.in")
    assert given.spliced == other.spliced


def test_a_transcoder_that_writes_before_it_reads(lm, tokens):
    with pytest.raises(InputError, match=r"passes layers\.0 before layers\.1"):
        loss_recovered(lm, _transcoder("layers.1", "layers.0", PERFECT), tokens, "layers.0")
