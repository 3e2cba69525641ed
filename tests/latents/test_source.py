from itertools import count, islice

import pytest
import torch

from saesteer.errors import InputError, SaesteerError
from saesteer.latents import ActivationSource
from saesteer.latents.shuffle import shuffled
from tests.latents.tiny import WIDTH, save_model, sentences

TEXTS = sentences(60)
TOKENS = sum(len(text.split()) for text in TEXTS)


def sorted_rows(x):
    return torch.stack(sorted(x, key=lambda row: row.tolist()))


def expected(lm, bos):
    rows = [lm.record(lm.tokenize([text]), at=["layers.0"])["layers.0"][0] for text in TEXTS]
    return torch.cat([row if bos else row[1:] for row in rows])


@pytest.mark.parametrize("bos", [True, False])
def test_every_token_comes_out_once(lm, bos):
    skip = () if bos else ("bos",)
    source = ActivationSource(
        lm, TEXTS, "layers.0", batch_tokens=1, buffer_tokens=50, skip=skip, forward_tokens=64
    )
    found = torch.cat(list(source))
    assert len(found) == TOKENS + bos * len(TEXTS)
    torch.testing.assert_close(sorted_rows(found), sorted_rows(expected(lm, bos)), rtol=1e-4, atol=1e-4)
    assert source.width == WIDTH


def test_batches_are_whole_and_those_of_the_seed(lm):
    source = ActivationSource(lm, TEXTS, "layers.0", batch_tokens=32, buffer_tokens=128, seed=3)
    first, again = list(source), list(source)
    assert {each.shape for each in first} == {(32, WIDTH)}
    assert len(first) == TOKENS // 32
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    other = list(ActivationSource(lm, TEXTS, "layers.0", batch_tokens=32, buffer_tokens=128, seed=4))
    assert not torch.equal(first[0], other[0])


def test_endless_documents_are_read_as_they_are_needed(lm):
    read = []

    def endless():
        for i in count():
            read.append(i)
            yield TEXTS[i % 60]

    source = ActivationSource(lm, endless(), "layers.0", batch_tokens=16, buffer_tokens=64, forward_tokens=64)
    assert len(list(islice(source, 50))) == 50
    assert len(read) < 1000


@pytest.mark.parametrize(("name", "dtype"), [("bfloat16", torch.bfloat16), ("float16", torch.float16)])
def test_narrow_numbers(lm, name, dtype):
    wide, narrow = (
        next(iter(ActivationSource(lm, TEXTS, "layers.0", 32, 128, dtype=each))) for each in ("float32", name)
    )
    assert narrow.dtype == dtype
    assert torch.equal(wide.to(dtype), narrow)


def test_numbers_beyond_float16_are_refused(tmp_path):
    from saesteer.model import load_model

    large = load_model(save_model(tmp_path))
    with torch.no_grad():
        large.hf.get_input_embeddings().weight.mul_(1e6)
    with pytest.raises(SaesteerError, match="beyond float16; use bfloat16"):
        next(iter(ActivationSource(large, TEXTS, "layers.0", 32, 128, dtype="float16")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype is one of float32, bfloat16, float16, got 'int8'"),
        ({"buffer_tokens": 60}, "the buffer holds two batches or more"),
        ({"skip": ("pad",)}, "skip is a list of bos, special"),
        ({"skip": "bos"}, "skip is a list of bos, special"),
        ({"documents": TEXTS[:2]}, "but a batch has 32; give more"),
        ({"documents": []}, "there are 0 tokens"),
        ({"context": 1}, "rows of 2 to 64 tokens"),
        ({"forward_tokens": 0}, "one token or more"),
    ],
)
def test_bad_options_are_named(lm, options, message):
    given = {"documents": TEXTS, "at": "layers.0", "batch_tokens": 32, "buffer_tokens": 128} | options
    with pytest.raises(InputError, match=message):
        list(ActivationSource(lm, **given))


def test_the_buffer_mixes_what_was_far_apart():
    blocks = [torch.arange(start, start + 10.0)[:, None] for start in range(0, 1000, 10)]
    batches = list(shuffled(iter(blocks), 20, 400, seed=0))
    assert torch.cat(batches).squeeze(1).sort().values.tolist() == list(range(1000))
    assert min(float(each.max() - each.min()) for each in batches) > 100
    # From the first half only what was read by then.
    assert float(batches[0].max()) < 400


def test_what_does_not_fill_a_batch_is_dropped():
    blocks = [torch.arange(25.0)[:, None]]
    assert len(list(shuffled(iter(blocks), 10, 20, seed=0))) == 2
