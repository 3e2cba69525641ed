"""A folder of the reference without `tokens`: entries and statistics are there, texts are asked for."""

import json

import numpy as np
import pytest
import safetensors.numpy

from saesteer.cache import overview, read_reference, write_reference
from saesteer.errors import CorruptFile, InputError
from saesteer.examples import Loader
from saesteer.report.latent_contexts import contexts
from tests.cache.test_reference import CTX, D_SAE, IDS, ROWS, assert_equal, tensors, write


@pytest.fixture
def bare(tmp_path):
    root = tmp_path / "bare"
    return root, write(root, "layers.0", 0, tokens=None)


def test_entries_and_statistics_are_those_with_tokens(bare):
    root, dense = bare
    cache, full = read_reference(root), read_reference(root, tokens=IDS)
    assert not cache.tokens.known and full.tokens.known and cache.strings == ()
    for name in ("indptr", "tokens", "values"):
        np.testing.assert_array_equal(getattr(cache["layers.0"], name), getattr(full["layers.0"], name))
    for name, expected in vars(full["layers.0"].statistics).items():
        np.testing.assert_array_equal(getattr(cache["layers.0"].statistics, name), expected, err_msg=name)
    assert len(cache.tokens) == ROWS * CTX and cache["layers.0"].d_sae == D_SAE
    assert cache["layers.0"].latent(3).tokens.tolist() == np.flatnonzero(dense[:, 3]).tolist()
    assert cache.tokens.row_of(np.array([CTX])).tolist() == [1] and cache.tokens.content(3, 9).all()
    found, known = overview(cache, "layers.0"), overview(full, "layers.0")
    assert (found.alive, found.above_10) == (known.alive, known.above_10)
    assert found.single_token is None is not known.single_token


@pytest.mark.parametrize(
    "read",
    [
        lambda cache: cache.tokens.ids[0],
        lambda cache: np.asarray(cache.tokens.ids),
        lambda cache: cache.tokens.ids.tolist(),
        lambda cache: cache.tokens.ids == 3,
        lambda cache: list(cache.tokens.ids),
        lambda cache: Loader(cache),
        lambda cache: contexts(cache, cache["layers.0"].latent(3)),
    ],
)
def test_what_needs_a_text_says_how_to_hand_it_in(bare, read):
    cache = read_reference(bare[0])
    with pytest.raises(InputError, match=r"no token ids.*tokens=.*--ids FILE"):
        read(cache)


def test_tokens_come_from_a_file_too(bare, tmp_path):
    np.save(tmp_path / "ids.npy", IDS)
    safetensors.numpy.save_file({"tokens": IDS}, tmp_path / "ids.safetensors")
    for name in ("ids.npy", "ids.safetensors"):
        found = read_reference(bare[0], tokens=tmp_path / name)
        np.testing.assert_array_equal(found.tokens.ids, IDS.reshape(-1))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.npy", None, "there is no file"),
        ("text.npy", lambda path: path.write_text("1 2 3"), r"text.npy is no .npy or .safetensors"),
        ("empty.npy", lambda path: path.write_bytes(b""), r"empty.npy is no .npy"),
        ("a.npy", lambda path: np.save(path, np.array([[{}]]), allow_pickle=True), r"a.npy is no .npy"),
        ("b.npy", lambda path: np.save(path, IDS[:-1]), "tokens that are not there"),
        ("c.safetensors", lambda path: path.write_bytes(b"{"), "c.safetensors is no whole"),
        (
            "d.safetensors",
            lambda path: safetensors.numpy.save_file({"x": IDS}, path),
            "no tensor called tokens",
        ),
    ],
)
def test_a_file_that_holds_no_tokens_is_named(bare, tmp_path, name, make, message):
    if make is not None:
        make(tmp_path / name)
    with pytest.raises((InputError, CorruptFile), match=message):
        read_reference(bare[0], tokens=tmp_path / name)


def test_rows_are_as_long_as_a_config_says_or_as_the_entries_need(tmp_path):
    home = tmp_path / "latents/layers.0"
    home.mkdir(parents=True)
    tensors_ = {"locations": np.array([[0, 2, 0], [3, 4, 1]], np.uint16)}
    safetensors.numpy.save_file(tensors_ | {"activations": np.ones(2, np.float16)}, home / "0_1.safetensors")
    assert read_reference(tmp_path).tokens.starts.tolist() == [0, 5, 10, 15, 20]
    for said, found in ((7, 7), (3, 5)):
        (home / "config.json").write_text(json.dumps({"cache_ctx_len": said}))
        cache = read_reference(tmp_path)
        assert np.diff(cache.tokens.starts).tolist() == [found] * 4
    for said in ("7", 0, True, None):
        (home / "config.json").write_text(json.dumps({"cache_ctx_len": said}))
        with pytest.raises(CorruptFile, match=r"layers\.0 says cache_ctx_len"):
            read_reference(tmp_path)


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        ([3], "no lists of numbers"),
        ({"lengths": ["x"]}, "no lists of numbers"),
        ({"lengths": [5, -1]}, "lengths of other rows"),
        ({"documents": [5]}, "lengths of other rows"),
        ({"lengths": [2, 2]}, "names tokens that are not there"),
    ],
)
def test_a_config_of_ours_that_cannot_be_meant(bare, ours, message):
    (bare[0] / "latents/layers.0/config.json").write_text(json.dumps({"saesteer": ours}))
    with pytest.raises((CorruptFile, InputError), match=message):
        read_reference(bare[0])


def test_theirs_to_ours_to_theirs_is_equal_without_tokens(bare, tmp_path):
    write_reference(read_reference(bare[0]), tmp_path / "again")
    assert_equal(tensors(bare[0]), tensors(tmp_path / "again"))
    again = read_reference(tmp_path / "again")
    assert len(again.tokens) == ROWS * CTX


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda held: held | {"locations": np.tile(held["locations"][:1], (9, 1))},
            "an entry of a latent twice",
        ),
        (lambda held: held | {"activations": np.full(9, np.nan, np.float16)}, "NaN or infinity"),
    ],
)
def test_entries_that_cannot_be_meant(bare, change, message):
    path = bare[0] / "latents/layers.0/0_3.safetensors"
    held = {name: each[:9] for name, each in safetensors.numpy.load_file(path).items()}
    safetensors.numpy.save_file(change(held), path)
    with pytest.raises(CorruptFile, match=f"0_3.safetensors.*{message}"):
        read_reference(bare[0])


def test_tokens_of_another_model_are_refused(bare, lm):
    with pytest.raises(InputError, match="has 23 ids; give the model that read them"):
        read_reference(bare[0], tokens=IDS, lm=lm)
