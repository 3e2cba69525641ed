"""The reference's folder: theirs to ours to theirs is equal, and so is ours to theirs to ours."""

import json

import numpy as np
import pytest
import safetensors.numpy

from saesteer.cache import cache_latents, cache_of_matrix, read_reference, statistics_of, write_reference
from saesteer.errors import CorruptFile, InputError, UnknownName
from tests.latents.tiny import sae, sentences

ROWS, CTX, D_SAE = 40, 12, 23
RANGES = ((0, 3), (4, 10), (11, 22))
IDS = np.random.default_rng(9).integers(0, 70_000, (ROWS, CTX))


def write(root, name, seed, rows=ROWS, tokens=IDS, config=None, dtype=np.uint16):
    """As the reference does: entries by row, position and latent."""
    draw = np.random.default_rng(seed)
    dense = draw.random((rows, CTX, D_SAE)) * (draw.random((rows, CTX, D_SAE)) < 0.2)
    home = root / "latents" / name
    home.mkdir(parents=True)
    for first, last in RANGES:
        part = dense[..., first : last + 1]
        where = np.ascontiguousarray(np.argwhere(part))
        tensors = {"locations": where.astype(dtype), "activations": part[tuple(where.T)].astype(np.float16)}
        if tokens is not None:
            tensors["tokens"] = tokens
        safetensors.numpy.save_file(tensors, home / f"{first}_{last}.safetensors")
    if config is not None:
        (home / "config.json").write_text(json.dumps(config))
    return dense.reshape(-1, D_SAE)


def tensors(root):
    """File -> its tensors, of the whole folder."""
    return {
        path.relative_to(root).as_posix(): safetensors.numpy.load_file(path)
        for path in sorted(root.rglob("*.safetensors"))
    }


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, held in one.items():
        assert held.keys() == other[name].keys()
        for key, array in held.items():
            assert array.dtype == other[name][key].dtype, (name, key)
            np.testing.assert_array_equal(array, other[name][key])


@pytest.fixture
def theirs(tmp_path):
    root = tmp_path / "theirs"
    names = ("layers.1", "layers.10", "layers.1.mlp", "layers.10/inner")
    return root, {name: write(root, name, seed, config={"x": seed}) for seed, name in enumerate(names)}


def test_theirs_to_ours_to_theirs_is_equal(theirs, tmp_path):
    root, dense = theirs
    cache = read_reference(root)
    assert set(cache.names) == set(dense)
    for name, values in dense.items():
        for latent in range(D_SAE):
            entries = cache[name].latent(latent)
            np.testing.assert_array_equal(entries.tokens, np.flatnonzero(values[:, latent]))
            expected = values[entries.tokens, latent].astype(np.float16)
            np.testing.assert_array_equal(entries.values, expected)
    np.testing.assert_array_equal(cache.tokens.ids, IDS.reshape(-1))
    assert cache.tokens.row_of(np.array([0, CTX, CTX - 1])).tolist() == [0, 1, 0]
    write_reference(cache, tmp_path / "again")
    assert_equal(tensors(root), tensors(tmp_path / "again"))
    for name, seed in zip(dense, range(4), strict=True):
        config = json.loads((tmp_path / "again/latents" / name / "config.json").read_text())
        assert config == {"x": seed}


def test_one_hookpoint_is_read_by_its_whole_name(theirs):
    root, dense = theirs
    cache = read_reference(root / "latents", hookpoints=["layers.1"])
    assert cache.names == ("layers.1",)
    np.testing.assert_array_equal(cache["layers.1"].statistics.count, (dense["layers.1"] > 0).sum(0))
    with pytest.raises(UnknownName, match=r"did you mean 'layers\.1'"):
        read_reference(root, hookpoints=["layers.2"])


def test_tokens_and_config_may_be_missing(tmp_path):
    write(tmp_path, "layers.0", 0, tokens=None)
    cache = read_reference(tmp_path, tokens=IDS)
    assert cache.strings[3] == "[3]" and len(cache["layers.0"].tokens) > 100
    with pytest.raises(InputError, match="tokens that are not there"):
        read_reference(tmp_path, tokens=IDS[:-1])
    with pytest.raises(InputError, match="there are 5 strings"):
        read_reference(tmp_path, tokens=IDS, strings=["a"] * 5)
    for wrong, message in (
        (IDS[0], r"tokens are \[rows, ctx\]"),
        (IDS.astype(float), "whole numbers from 0, got float64"),
        (-IDS, "whole numbers from 0, got int64 from -"),
    ):
        with pytest.raises(InputError, match=message):
            read_reference(tmp_path, tokens=wrong)


def test_numbers_are_as_wide_as_they_need(tmp_path):
    """Row 65,536 does not fit uint16, row 65,535 does."""
    for rows, kind in ((2**16, np.uint16), (2**16 + 1, np.uint32)):
        starts, matrix = np.arange(rows + 1), np.zeros((rows, 2), np.float32)
        matrix[[0, -1]] = 1
        cache = cache_of_matrix(matrix, np.zeros(rows, int), starts, ("a",))
        write_reference(cache, tmp_path / str(rows), splits=1)
        (held,) = tensors(tmp_path / str(rows)).values()
        assert held["locations"].dtype == kind
        assert held["locations"].tolist() == [[0, 0, 0], [0, 0, 1], [rows - 1, 0, 0], [rows - 1, 0, 1]]
        again = read_reference(tmp_path / str(rows))
        np.testing.assert_array_equal(again["layers.0"].tokens, cache["layers.0"].tokens)


def test_ours_to_theirs_to_ours_is_equal(lm, tmp_path):
    """Rows of unequal length, BOS, several SAEs at one hookpoint."""
    saes = {"layers.0": sae(), "wide": sae("standard", 1)}
    texts = sentences(60)
    ours = cache_latents(tmp_path / "ours", lm, saes, texts, context=9, dtype="float32")
    write_reference(ours, tmp_path / "theirs", splits=3)
    again = read_reference(tmp_path / "theirs", lm=lm)
    assert again.strings == ours.strings and again.names == ours.names
    for field in ("ids", "starts", "documents", "offsets"):
        np.testing.assert_array_equal(getattr(again.tokens, field), getattr(ours.tokens, field))
    assert again.tokens.special_ids == ours.tokens.special_ids
    for name in saes:
        np.testing.assert_array_equal(again[name].indptr, ours[name].indptr)
        np.testing.assert_array_equal(again[name].tokens, ours[name].tokens)
        np.testing.assert_array_equal(again[name].values, ours[name].values[:].astype(np.float16))
        latent = np.repeat(np.arange(48), np.diff(ours[name].indptr))
        found = statistics_of(latent, again[name].tokens, again[name].values, again.tokens, 48)
        np.testing.assert_array_equal(again[name].statistics.histogram, found.histogram)
    write_reference(again, tmp_path / "more")
    assert_equal(tensors(tmp_path / "theirs"), tensors(tmp_path / "more"))


def test_special_tokens_have_no_entries_where_a_model_says_which(lm, tmp_path):
    ids = np.random.default_rng(0).integers(0, 23, (ROWS, CTX))
    write(tmp_path, "layers.0", 0, tokens=ids)
    plain, known = read_reference(tmp_path), read_reference(tmp_path, lm=lm)
    special = np.isin(ids.reshape(-1), list(lm.tokenizer.all_special_ids))
    expected = [each for each in plain["layers.0"].latent(2).tokens if not special[each]]
    assert known["layers.0"].latent(2).tokens.tolist() == expected
    assert known["layers.0"].statistics.tokens == (~special).sum()


def test_too_large_for_float16_is_refused(tmp_path):
    matrix = np.array([[1e5, 1.0]], np.float32)
    cache = cache_of_matrix(matrix, np.zeros(1, int), np.array([0, 1]), ("a",))
    with pytest.raises(InputError, match="too large for float16"):
        write_reference(cache, tmp_path)
    for splits in (0, 3):
        with pytest.raises(InputError, match="splits"):
            write_reference(cache, tmp_path, splits=splits)


def lose(home):
    (home / "4_10.safetensors").unlink()


def truncate(home):
    path = home / "4_10.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


def strip(home):
    safetensors.numpy.save_file({"tokens": IDS}, home / "4_10.safetensors")


def exceed(home):
    (home / "4_10.safetensors").unlink()
    (home / "4_6.safetensors").write_bytes((home / "0_3.safetensors").read_bytes())
    (home / "11_22.safetensors").rename(home / "7_22.safetensors")


def no_mapping(home):
    (home / "config.json").write_text("[]")


def other_tokens(home):
    path = home / "4_10.safetensors"
    safetensors.numpy.save_file(safetensors.numpy.load_file(path) | {"tokens": IDS + 1}, path)


@pytest.mark.parametrize(
    ("harm", "error", "message"),
    [
        (lose, InputError, "one is missing"),
        (truncate, CorruptFile, "4_10.safetensors is no whole"),
        (strip, CorruptFile, "holds no locations"),
        (exceed, CorruptFile, "names latents beyond 6"),
        (no_mapping, CorruptFile, "is no mapping"),
        (other_tokens, InputError, "are not those of the others"),
    ],
)
def test_what_is_not_whole_is_named(tmp_path, harm, error, message):
    write(tmp_path, "layers.0", 0, config={})
    harm(tmp_path / "latents/layers.0")
    with pytest.raises(error, match=message):
        read_reference(tmp_path)


def test_an_empty_folder_is_said_to_be_one(tmp_path):
    with pytest.raises(InputError, match="holds no latents of the reference"):
        read_reference(tmp_path)
