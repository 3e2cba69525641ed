"""A cache is what capture finds, whatever the runs, microbatches and SAEs; filters, dtypes, refusals."""

import json

import numpy as np
import pytest
import torch

from saesteer.cache import LatentCache, cache_latents, statistics_of
from saesteer.errors import InputError, UnknownName
from saesteer.latents import capture
from saesteer.model import Tokens
from saesteer.saes import ARCHITECTURES, SAEConfig
from saesteer.saes.topk import TopKSAE
from saesteer.text import Document
from tests.latents.tiny import D_SAE, WIDTH, sae, sentences

TEXTS = sentences(120)
SMALL = {"context": 9, "batch_tokens": 64, "run_tokens": 300, "dtype": "float32"}


@pytest.fixture(scope="module")
def saes():
    """Two of them read at one hookpoint."""
    return {
        "first": sae(),
        "second": sae("standard", 1),
        "above": sae("topk", 2, "layers.1"),
    }


@pytest.fixture(scope="module")
def cache(lm, saes, tmp_path_factory):
    return cache_latents(tmp_path_factory.mktemp("cache"), lm, saes, TEXTS, **SMALL)


def dense(cache, name):
    table = cache[name]
    found = np.zeros((table.d_sae, len(cache.tokens)), np.float32)
    for latent in range(table.d_sae):
        entries = table.latent(latent)
        assert (np.diff(entries.tokens) > 0).all()
        found[latent, entries.tokens] = entries.values
    return found


def test_it_holds_what_capture_finds(lm, saes, cache):
    for name, each in saes.items():
        rows = capture(lm, TEXTS, each, context=9)
        expected = np.where(rows.content, rows.matrix.toarray().T, 0)
        np.testing.assert_array_equal(cache.tokens.ids, rows.places.ids)
        np.testing.assert_allclose(dense(cache, name), expected, rtol=1e-4, atol=1e-4)
        assert cache[name].hookpoint == each.cfg.hook_name
    assert cache.names == ("first", "second", "above")
    assert "".join(cache.strings[each] for each in cache.tokens.ids[1:4]).strip() in TEXTS[0]


def test_tokens_say_where_they_stand(lm, cache):
    rows = capture(lm, TEXTS, sae(), context=9)
    tokens = cache.tokens
    assert tokens.ids.dtype == np.uint8  # 23 words
    row = tokens.row_of(np.arange(len(tokens)))
    np.testing.assert_array_equal(tokens.documents[row], rows.places.document)
    first = tokens.starts[row] + 1  # after BOS
    place = tokens.offsets[row] + np.arange(len(tokens)) - first
    content = tokens.content(0, len(tokens))
    np.testing.assert_array_equal(place[content], rows.places.position[content])
    assert not content[tokens.starts[:-1]].any() and np.diff(tokens.starts).max() == 9
    for name in cache.names:
        assert not dense(cache, name)[:, ~content].any()


def test_statistics_are_those_of_the_entries(cache):
    for name in cache.names:
        table = cache[name]
        latent = np.repeat(np.arange(table.d_sae), np.diff(table.indptr))
        found = statistics_of(latent, table.tokens, table.values, cache.tokens, table.d_sae)
        for field in ("count", "sum", "squares", "max", "rows", "histogram"):
            np.testing.assert_allclose(
                getattr(table.statistics, field), getattr(found, field), rtol=1e-12, err_msg=field
            )
        assert table.statistics.tokens == found.tokens == cache.tokens.content(0, len(cache.tokens)).sum()


@pytest.mark.parametrize("change", [{"run_tokens": 10**6}, {"run_tokens": 100}, {"batch_tokens": 20}])
def test_runs_and_microbatches_do_not_matter(lm, saes, cache, tmp_path, change):
    other = cache_latents(tmp_path, lm, saes, TEXTS, **SMALL | change)
    for name in saes:
        np.testing.assert_allclose(dense(other, name), dense(cache, name), rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(other[name].indptr, cache[name].indptr)


def test_an_equal_request_finds_the_folder(lm, tmp_path):
    def once(**more):
        return cache_latents(tmp_path, lm, sae(), TEXTS[:5], **SMALL | more).about["folder"]

    assert once() == once() != once(max_tokens=7) != once(latents=[1])
    assert not list(tmp_path.rglob("runs")) and not list(tmp_path.rglob("journal*"))


def test_values_of_float16_are_the_rounded_ones(lm, saes, cache, tmp_path):
    half = cache_latents(tmp_path, lm, saes, TEXTS, **SMALL | {"dtype": "auto"})
    for name in saes:
        assert half[name].values.dtype == np.float16 and not half[name].about["switched"]
        np.testing.assert_array_equal(half[name].values, cache[name].values.astype(np.float16))
        np.testing.assert_array_equal(half[name].tokens, cache[name].tokens)


@pytest.mark.parametrize("scale", [1e5, 1e-10])
def test_a_value_that_float16_loses_switches_to_float32(lm, cache, tmp_path, scale):
    one = sae()
    tensors = {name: getattr(one, name).detach() for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
    tensors |= {name: tensors[name] * scale for name in ("W_enc", "b_enc")}
    large = TopKSAE(one.cfg, tensors)
    found = cache_latents(tmp_path, lm, {"large": large, "first": one}, TEXTS, **SMALL | {"dtype": "auto"})
    assert (found["large"].values.dtype, found["first"].values.dtype) == (np.float32, np.float16)
    assert found["large"].about["switched"] and not found["first"].about["switched"]
    np.testing.assert_allclose(found["large"].values, cache["first"].values * scale, rtol=1e-4)
    with pytest.raises(InputError, match="float16 would turn a value of large to infinity or 0"):
        cache_latents(tmp_path, lm, {"large": large}, TEXTS, **SMALL | {"dtype": "float16"})


def test_filters_leave_statistics_alone(lm, saes, cache, tmp_path):
    wanted = {"first": [3, 5, 40], "second": range(10)}
    found = cache_latents(
        tmp_path, lm, saes, TEXTS, latents=wanted, density=(0.1, 0.5), min_count=30, **SMALL
    )
    for name in saes:
        density, count = cache[name].statistics.density, cache[name].statistics.count
        kept = (density >= 0.1) & (density <= 0.5) & (count >= 30)
        listed = np.isin(np.arange(D_SAE), list(wanted.get(name, range(D_SAE))))
        assert kept.any() and not kept.all()
        np.testing.assert_array_equal(
            dense(found, name), np.where((kept & listed)[:, None], dense(cache, name), 0)
        )
        np.testing.assert_array_equal(found[name].statistics.histogram, cache[name].statistics.histogram)


def test_packed_rows_are_taken_as_they_are(lm, tmp_path):
    ids = np.random.default_rng(0).integers(0, 23, (40, 12))
    options = SMALL | {"context": 64}
    found = cache_latents(tmp_path, lm, sae(), ids, **options)
    np.testing.assert_array_equal(found.tokens.ids, ids.reshape(-1))
    np.testing.assert_array_equal(found.tokens.starts, np.arange(41) * 12)
    np.testing.assert_array_equal(found.tokens.documents, np.arange(40))
    with torch.no_grad():
        x = lm.record(_tokens(ids), at=["layers.0"])["layers.0"].flatten(0, 1)
        expected = sae().encode(x).numpy().T * ~np.isin(ids.reshape(-1), [0, 1, 2, 3])
    np.testing.assert_allclose(dense(found, "layers.0"), expected, rtol=1e-4, atol=1e-4)
    cut = cache_latents(tmp_path, lm, sae(), ids, max_tokens=101, **options)
    np.testing.assert_array_equal(cut.tokens.ids, ids.reshape(-1)[:101])
    assert cut.tokens.starts[-2:].tolist() == [96, 101]


def _tokens(ids):
    ids = torch.from_numpy(ids)
    return Tokens(ids, torch.ones_like(ids, dtype=torch.bool))


def test_max_tokens_cuts_the_last_row(lm, cache, tmp_path):
    ids = np.asarray(cache.tokens.ids)
    for tokens in (1, 2, 54, 55, 56, 10**6):
        if tokens == 1:  # of BOS alone nothing is said
            with pytest.raises(InputError, match="no texts"):
                cache_latents(tmp_path, lm, sae(), TEXTS, **SMALL, max_tokens=tokens)
            continue
        found = cache_latents(tmp_path, lm, sae(), TEXTS, **SMALL, max_tokens=tokens).tokens
        cut = min(tokens, len(ids))
        cut -= int(ids[cut - 1] == lm.tokenizer.bos_token_id)
        np.testing.assert_array_equal(found.ids, ids[:cut])


def test_more_tokens_than_any_machine_counts_are_all_there_are(lm, tmp_path):
    one, other = (
        cache_latents(tmp_path, lm, sae(), TEXTS, **SMALL, max_tokens=most) for most in (10**30, None)
    )
    assert len(one.tokens) == len(other.tokens)


def test_documents_keep_their_names(lm, tmp_path):
    documents = [Document(text, f"nr {n}", str(n % 2)) for n, text in enumerate(TEXTS)]
    found = cache_latents(tmp_path, lm, sae(), documents, **SMALL)
    path = tmp_path / found.about["folder"] / "documents.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"document": n, "id": f"nr {n}", "label": str(n % 2)} for n in range(len(TEXTS))]


def test_a_source_of_texts_is_read_by_its_path(lm, cache, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    found = cache_latents(tmp_path, lm, sae(), tmp_path / "texts.txt", **SMALL)
    np.testing.assert_array_equal(found.tokens.ids, cache.tokens.ids)


def test_a_transcoder_is_read_where_it_reads(lm, tmp_path):
    draw = torch.Generator().manual_seed(0)
    tensors = {
        "W_enc": torch.randn(WIDTH, D_SAE, generator=draw),
        "W_dec": torch.randn(D_SAE, WIDTH, generator=draw),
        "b_enc": torch.zeros(D_SAE),
        "b_dec": torch.zeros(WIDTH),
    }
    cfg = SAEConfig(
        "transcoder",
        WIDTH,
        D_SAE,
        hook_name="layers.1.mlp.in",
        hook_name_out="layers.1.mlp",
        d_out=WIDTH,
        apply_b_dec_to_input=False,
    )
    one = ARCHITECTURES.get("transcoder")(cfg, tensors)
    found = cache_latents(tmp_path, lm, one, TEXTS[:20], **SMALL)
    rows = capture(lm, TEXTS[:20], one, context=9)
    expected = np.where(rows.content, rows.matrix.toarray().T, 0)
    np.testing.assert_allclose(dense(found, "layers.1.mlp.in"), expected, rtol=1e-4, atol=1e-4)


def test_special_tokens_alone_are_no_entries(lm, tmp_path):
    ids = np.array([[1, 2, 0, 1], [1, 2, 2, 3]])
    found = cache_latents(tmp_path, lm, sae(), ids, **SMALL)
    assert found["layers.0"].indptr[-1] == 0 and found["layers.0"].statistics.tokens == 0
    assert len(found["layers.0"].latent(3)) == 0


def test_progress_counts_tokens_and_bytes(lm, tmp_path):
    seen = []
    cache_latents(tmp_path, lm, sae(), TEXTS, **SMALL, max_tokens=502, progress=seen.append)
    assert seen[-1].tokens == 502 and seen[0].of == 502 and seen[-1].bytes > 500 * 6 * 8
    assert {each.stage for each in seen} == {"reading", "merging"}
    assert [each.tokens for each in seen] == sorted(each.tokens for each in seen)
    assert seen[0].rate > 0 and seen[0].left > 0 and seen[-1].left == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "bfloat16"}, "dtype is one of"),
        ({"run_tokens": 0}, "hold one token or more"),
        ({"density": (0.5, 0.1)}, "density is a lowest"),
        ({"latents": [D_SAE]}, "latents of layers.0 are 0 to 47"),
        ({"latents": []}, "0 to 47, got none"),
        ({"latents": range(10**18)}, "0 to 47, got 48"),
        ({"latents": {"other": [1]}}, "latents are given for 'other'"),
        ({"at": {"layers.0": "layers.1"}}, "at is one hookpoint"),
        ({"at": "layers.1"}, "was trained at layers.0"),
        ({"max_tokens": 0}, "one token at least"),
    ],
)
def test_what_cannot_be_meant(lm, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        cache_latents(tmp_path, lm, sae(), TEXTS, **SMALL | change)


@pytest.mark.parametrize("documents", [iter(TEXTS), [], np.zeros((2, 0), int), np.zeros((2, 3))])
def test_documents_that_cannot_be_read(lm, tmp_path, documents):
    with pytest.raises(InputError):
        cache_latents(tmp_path, lm, sae(), documents, **SMALL)


def test_an_sae_of_the_cache_has_a_name(cache):
    with pytest.raises(UnknownName, match="unknown SAE of the cache 'frist'; did you mean 'first'"):
        cache["frist"]
    opened = LatentCache.open(cache.about["folder"])
    assert opened.names == cache.names and opened.about == cache.about
