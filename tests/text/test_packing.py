from itertools import count, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.text import Document, pack, packed_rows, stack, windows

BOS = 1000


def letters(texts):
    return [[ord(letter) for letter in text] for text in texts]


texts = st.lists(st.text("abcdef", min_size=1, max_size=12), min_size=1, max_size=8)
bos = st.sampled_from([None, BOS])


def unpacked(packed, bos):
    """The documents as the ids, documents and positions tell them."""
    found = {}
    for i, j in np.argwhere(packed.mask & (packed.position >= 0)):
        found.setdefault(packed.document[i, j], {})[packed.position[i, j]] = chr(packed.ids[i, j])
    return ["".join(letter for _, letter in sorted(each.items())) for _, each in sorted(found.items())]


@given(texts, st.integers(2, 9), bos)
def test_packed_rows_keep_every_document(documents, length, bos):
    packed = pack(documents, letters, length, bos, pad=7)
    assert unpacked(packed, bos) == documents
    assert packed.mask[:-1].all()
    assert packed.mask.sum() == sum(len(each) + (bos is not None) for each in documents)
    assert (packed.ids[~packed.mask] == 7).all()
    assert (packed.document[~packed.mask] == -1).all()
    assert (packed.position[~packed.mask] == -1).all()
    assert (packed.position[packed.ids == BOS] == -1).all()
    assert (packed.ids == BOS).sum() == (0 if bos is None else len(documents))


@given(texts, st.integers(2, 9), bos)
def test_windows_never_hold_two_documents(documents, length, bos):
    rows = list(windows(documents, letters, length, bos))
    assert unpacked(stack(rows), bos) == documents
    for row in rows:
        assert len(set(row.document)) == 1
        assert len(row) <= length
        assert bos is None or (row.ids[0] == BOS and row.ids.count(BOS) == 1)
    assert len(rows) == sum(-(-len(each) // (length - (bos is not None))) for each in documents)


def test_streams_need_no_end():
    endless = (Document("abc", str(i)) for i in count())
    rows = list(islice(packed_rows(endless, letters, 5, BOS), 3))
    assert [row.document for row in rows] == [[0, 0, 0, 0, 1], [1, 1, 1, 2, 2], [2, 2, 3, 3, 3]]
    assert [row.position for row in rows] == [[-1, 0, 1, 2, -1], [0, 1, 2, -1, 0], [1, 2, -1, 0, 1]]


def test_no_documents_are_no_rows():
    packed = pack([], letters, 4)
    assert packed.ids.shape == packed.mask.shape == (0, 4)


def test_what_cannot_be_packed_is_named():
    with pytest.raises(InputError, match="document 2 has no tokens"):
        pack(["ab", ""], letters, 4)
    with pytest.raises(InputError, match=r"a\.txt:3 has no tokens"):
        list(windows([Document("", "a.txt:3")], letters, 4))
    with pytest.raises(InputError, match="a row holds 2 tokens or more, got length 1"):
        pack(["ab"], letters, 1, BOS)
