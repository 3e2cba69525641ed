from dataclasses import replace

import numpy as np
import pytest
import torch

from saesteer.errors import InputError, SaesteerError, ShapeMismatch
from saesteer.latents import LatentRows, capture, capture_stream
from saesteer.latents.reading import Reader
from saesteer.saes import ReLUSAE, TopKSAE
from tests.latents.tiny import D_SAE, sae, sentences

TEXTS = sentences(40)


def naive(lm, coder, texts, at):
    """One text after the other, dense, BOS first."""
    return [coder.encode(lm.record(lm.tokenize([text]), at=[at])[at][0]) for text in texts]


@pytest.mark.parametrize("architecture", ["topk", "standard"])
@pytest.mark.parametrize("at", ["layers.0", "layers.1"])
def test_it_equals_one_text_at_a_time(lm, architecture, at):
    coder = sae(architecture, hook_name=at)
    rows = capture(lm, TEXTS, coder, at, batch_tokens=64)
    expected = torch.cat(naive(lm, coder, TEXTS, at))
    torch.testing.assert_close(torch.from_numpy(rows.matrix.toarray()), expected, rtol=1e-4, atol=1e-4)
    assert (rows.d_sae, rows.n_documents, rows.hookpoint) == (D_SAE, 40, at)
    assert (rows.values > 0).all()


@pytest.mark.parametrize("postact", ["tanh", "identity"])
def test_latents_under_0_are_active_too(lm, postact):
    plain = sae()
    coder = TopKSAE(replace(plain.cfg, k=D_SAE, postact=postact), dict(plain.named_parameters()))
    rows = capture(lm, TEXTS[:5], coder)
    expected = torch.cat(naive(lm, coder, TEXTS[:5], "layers.0"))
    torch.testing.assert_close(torch.from_numpy(rows.matrix.toarray()), expected, rtol=1e-4, atol=1e-4)
    assert (rows.values < 0).any()


def test_a_transcoder_is_read_where_it_reads(lm):
    plain = sae("standard", hook_name="layers.1.mlp.in")
    cfg = replace(
        plain.cfg,
        architecture="transcoder",
        d_out=7,
        apply_b_dec_to_input=False,
        hook_name_out="layers.1.mlp",
    )
    tensors = dict(plain.named_parameters()) | {"W_dec": torch.ones(D_SAE, 7), "b_dec": torch.zeros(7)}
    rows = capture(lm, TEXTS[:5], ReLUSAE(cfg, tensors))
    expected = torch.cat(naive(lm, plain, TEXTS[:5], "layers.1.mlp.in"))
    assert rows.hookpoint == "layers.1.mlp.in"
    torch.testing.assert_close(torch.from_numpy(rows.matrix.toarray()), expected, rtol=1e-4, atol=1e-4)


def test_every_token_says_where_it_stands(lm):
    rows = capture(lm, TEXTS, sae(), batch_tokens=64)
    lengths = [len(text.split()) for text in TEXTS]
    assert rows.places.document.tolist() == [i for i, n in enumerate(lengths) for _ in range(n + 1)]
    assert rows.places.position.tolist() == [j for n in lengths for j in range(-1, n)]
    strings = [rows.strings[each] for each in rows.places.ids]
    assert "".join(strings) == "".join(
        "<bos>" + "".join(f" {word}" for word in text.split()) for text in TEXTS
    )


def test_bos_and_special_tokens_are_flagged(lm):
    rows = capture(lm, ["the old sea<eos> the ship", "the flying ship"], sae())
    strings = np.array([rows.strings[each].strip() for each in rows.places.ids])
    assert set(strings[rows.places.special]) == {"<bos>", "<eos>", "<unk>"}
    assert set(strings[rows.content]) == {"the", "old", "sea", "ship"}


def test_the_size_of_microbatches_and_parts_changes_nothing_but_the_last_bits(lm):
    whole = capture(lm, TEXTS, sae(), batch_tokens=4096)
    parts = list(capture_stream(lm, iter(TEXTS), sae(), batch_tokens=20, part_tokens=30))
    assert len(parts) > 5
    assert [part.n_documents for part in parts] == sorted({part.n_documents for part in parts})
    joined = LatentRows.join(parts)
    assert (joined.places.ids == whole.places.ids).all()
    assert (joined.places.document == whole.places.document).all()
    np.testing.assert_allclose(joined.matrix.toarray(), whole.matrix.toarray(), rtol=1e-4, atol=1e-4)


def test_streaming_reads_no_further_than_it_must(lm):
    read = []

    def endless():
        while True:
            read.append(1)
            yield TEXTS[len(read) % 40]

    next(capture_stream(lm, endless(), sae(), part_tokens=30))
    assert len(read) <= 256


def test_long_documents_become_rows_of_their_own(lm):
    text = " ".join(TEXTS)
    words = len(text.split())
    rows = capture(lm, [text, TEXTS[0]], sae(), context=16)
    of_first = rows.places.document == 0
    position = rows.places.position[of_first]
    assert position[position >= 0].tolist() == list(range(words))
    assert (position == -1).sum() == -(-words // 15)
    assert rows.n_documents == 2
    first = naive(lm, sae(), [" ".join(text.split()[:15])], "layers.0")[0]
    np.testing.assert_allclose(rows.matrix[:16].toarray(), first, rtol=1e-4, atol=1e-4)


def test_the_longest_row_is_the_models(lm):
    assert Reader.of(lm, "layers.0").context == 64
    for context in (1, 65):
        with pytest.raises(InputError, match=f"rows of 2 to 64 tokens, got context {context}"):
            capture(lm, TEXTS, sae(), context=context)


def test_an_sae_of_another_model_is_refused(lm):
    with pytest.raises(ShapeMismatch, match="SAE d_in is 16"):
        capture(lm, TEXTS, sae(d_in=16))
    with pytest.raises(InputError, match="does not say where it was trained"):
        capture(lm, TEXTS, sae(hook_name=""))
    other = sae()
    other.cfg = replace(other.cfg, metadata={"model_fingerprint": "0123"})
    with pytest.raises(InputError, match="was trained on the model 0123"):
        capture(lm, TEXTS, other)


def test_an_sae_of_another_hookpoint_is_refused(lm):
    with pytest.raises(InputError, match=r"trained at layers\.0 but is used at layers\.1, .*"):
        capture(lm, TEXTS, sae(), at="layers.1")
    expected = capture(lm, TEXTS, sae()).matrix
    same = capture(lm, TEXTS, sae(), at="blocks.1.hook_resid_pre").matrix  # what leaves 0 enters 1
    assert (same != expected).nnz == 0
    capture(lm, TEXTS, sae(hook_name=""), at="layers.1")  # it does not say


@pytest.mark.parametrize(
    ("texts", "message"), [([], "there are no texts"), (["the sea", ""], "the text '' has no tokens")]
)
def test_texts_without_tokens_are_refused(lm, texts, message):
    with pytest.raises(InputError, match=message):
        capture(lm, texts, sae())


def test_a_bos_in_the_text_is_not_doubled(lm):
    rows = capture(lm, ["<bos>the old sea"], sae())
    assert [rows.strings[each].strip() for each in rows.places.ids] == ["<bos>", "the", "old", "sea"]


def test_activations_that_are_no_numbers_are_refused(lm, tmp_path):
    from saesteer.model import load_model
    from tests.latents.tiny import save_model

    broken = load_model(save_model(tmp_path))
    with torch.no_grad():
        broken.hf.get_input_embeddings().weight[5] = float("inf")
    with pytest.raises(SaesteerError, match=r"activations at layers\.0 hold NaN or infinity"):
        capture(broken, ["the a sea"], sae())
