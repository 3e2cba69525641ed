"""A damaged file is named and refused, when the cache is opened or when the damage is first touched."""

import pickle
import shutil

import numpy as np
import pytest

from saesteer.cache import LatentCache, cache_latents
from saesteer.cache.npy import BLOCK, ArrayFile, Checked, check_blocks, mapped, write_array
from saesteer.errors import CorruptFile, InputError
from tests.latents.tiny import sae

SMALL = "saes/0/indptr.npy"
BIG = "saes/0/values.npy"


@pytest.fixture(scope="module")
def made(lm, tmp_path_factory):
    """Its values are larger than a block of the hashes."""
    root = tmp_path_factory.mktemp("made")
    ids = np.random.default_rng(0).integers(4, 23, (1000, 60))
    return cache_latents(root, lm, sae(), ids, dtype="float32").about["folder"]


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "cache")


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def middle(path):
    return path.stat().st_size // 2


@pytest.mark.parametrize("check", ["lazy", "all", "none"])
def test_what_is_whole_opens(folder, check):
    table = LatentCache.open(folder, check)["layers.0"]
    assert (folder / BIG).stat().st_size > BLOCK > (folder / SMALL).stat().st_size
    assert isinstance(table.values, Checked) == (check == "lazy")
    assert len(table.latent(3)) == table.statistics.count[3] > 0


@pytest.mark.parametrize("name", [SMALL, "cache.json", "strings.json", "tokens/ids.npy", "saes/0/count.npy"])
def test_a_byte_of_a_small_file_is_seen_at_opening(folder, name):
    flip(folder / name, middle(folder / name))
    with pytest.raises(CorruptFile, match=name):
        LatentCache.open(folder)


def test_a_byte_of_a_large_file_is_seen_where_it_is_touched(folder):
    flip(folder / BIG, -1000)
    table = LatentCache.open(folder)["layers.0"]
    last = int(table.kept[-1])
    assert len(table.latent(0)) > 0
    for touch in (lambda: table.latent(last), lambda: table.latent(last), lambda: np.asarray(table.values)):
        with pytest.raises(CorruptFile, match=BIG):
            touch()
    with pytest.raises(CorruptFile, match=BIG):
        LatentCache.open(folder, "all")
    assert len(LatentCache.open(folder, "none")["layers.0"].latent(last)) > 0


@pytest.mark.parametrize("check", ["lazy", "all", "none"])
@pytest.mark.parametrize(
    "name", [SMALL, BIG, "tokens/starts.npy", "saes/0/tokens.npy", "saes/0/histogram.npy"]
)
@pytest.mark.parametrize("harm", ["truncated", "longer", "missing", "pickled", "other"])
def test_files_of_another_form_are_refused(folder, name, harm, check):
    path = folder / name
    size = path.stat().st_size
    if harm == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif harm == "longer":
        path.write_bytes(path.read_bytes() + b"?")
    elif harm == "missing":
        path.unlink()
    elif harm == "pickled":
        with open(path, "wb") as file:
            np.save(file, np.array([_Harm()], dtype=object), allow_pickle=True)
            file.write(b"\0" * max(0, size - file.tell()))
            file.truncate(size)
    else:
        np.save(path, np.zeros((size - 128) // 2, np.int16))
        assert path.stat().st_size == size
    with pytest.raises(CorruptFile, match=name):
        LatentCache.open(folder, check)


def test_all_of_the_manifest_is_compared(folder):
    """Also a file that opening does not read."""
    (folder / "documents.jsonl").unlink()
    assert LatentCache.open(folder).names == ("layers.0",)
    with pytest.raises(CorruptFile, match=r"documents\.jsonl is missing"):
        LatentCache.open(folder, "all")


class _Harm:
    """Would be noticed if it were read."""

    def __reduce__(self):
        return pytest.fail, ("a pickled object was executed",)


def test_a_pickle_would_be_noticed():
    with pytest.raises(pytest.fail.Exception):
        pickle.loads(pickle.dumps(_Harm()))


def test_another_folder_is_no_cache(folder, tmp_path):
    with pytest.raises(InputError, match="check is one of"):
        LatentCache.open(folder, "some")
    with pytest.raises(InputError, match="there is no file"):
        LatentCache.open(tmp_path / "nothing")
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"stage": "cache"', '"stage": "activations"'))
    with pytest.raises(InputError, match="holds activations, not a cache"):
        LatentCache.open(folder)


@pytest.fixture
def checked(tmp_path):
    array = np.random.default_rng(0).integers(0, 1000, (3 * BLOCK // 8 // 5, 5))
    return array, Checked(tmp_path / "a.npy", write_array(tmp_path / "a.npy", array))


@pytest.mark.parametrize(
    "key",
    [
        slice(5, 9),
        slice(-9, -5),
        slice(9, 5, -1),
        slice(None, None, 1000),
        slice(7, 7),
        7,
        -1,
        np.int64(70_000),
        np.array([3, 70_000, 3]),
        np.array([[3], [-1]]),
        np.array([], dtype=np.int64),
        np.arange(78_643) % 7 == 0,
        ...,
        True,
        slice(78_643, None, -1),
        (slice(3, 5), 2),
    ],
    ids=str,
)
def test_a_checked_array_is_read_like_an_array(checked, key):
    array, found = checked
    np.testing.assert_array_equal(found[key], array[key])


def test_a_checked_array_counts_like_an_array(checked):
    array, found = checked
    assert (found.shape, found.dtype, found.ndim, len(found)) == (array.shape, array.dtype, 2, len(array))
    assert (
        found.sum() == array.sum() == np.sum(found) and (found == array).all() and found.max() == array.max()
    )
    np.testing.assert_array_equal(found + 1, array + 1)
    np.testing.assert_array_equal(np.diff(found, axis=0), np.diff(array, axis=0))
    with pytest.raises(IndexError):
        found[len(array)]


@pytest.mark.parametrize("row", [0, 26_211, 26_212, 52_425, 78_642])
def test_each_block_is_checked_when_a_row_of_it_is_touched(checked, row):
    """Rows 26,211 and 52,425 cross the ends of blocks: both must be whole."""
    array, found = checked
    crossing = {
        first for first in range(len(array)) if (128 + first * 40) // BLOCK < (167 + first * 40) // BLOCK
    }
    assert crossing == {26_211, 52_425}
    flip(found._path, 128 + row * 40 + 39)
    for key in (row, slice(row, row + 1), np.array([row]), np.array([0, row])):
        with pytest.raises(CorruptFile, match=r"a\.npy was changed"):
            found[key]
    other = (row + 40_000) % len(array)
    np.testing.assert_array_equal(found[other], array[other])


@pytest.mark.parametrize("shape", [(0,), (1,), (BLOCK,), (BLOCK - 128,), (3, 0), (BLOCK // 4, 8)])
def test_an_array_written_in_pieces_is_the_same_file(tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 200, shape).astype(np.uint8)
    stored = write_array(tmp_path / "whole.npy", array)
    with ArrayFile(tmp_path / "parts.npy", shape, np.uint8) as file:
        for part in np.array_split(array, 7):
            file.append(part.astype(np.int64))
        assert file.finish() == stored
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    np.testing.assert_array_equal(mapped(tmp_path / "parts.npy", stored), array)
    check_blocks(tmp_path / "parts.npy", stored)
