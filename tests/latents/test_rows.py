import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.latents import LatentRows, Places
from saesteer.latents import rows as rows_module

D_SAE = 5


def made(dense, document, special):
    """Rows from a dense array."""
    dense = np.array(dense, dtype=np.float32).reshape(-1, D_SAE)
    document, special = np.array(document, dtype=np.int64), np.array(special, dtype=bool)
    row, column = np.nonzero(dense)
    indptr = np.concatenate([[0], np.cumsum((dense != 0).sum(1))]).astype(np.int64)
    places = Places(np.arange(len(dense)), document, np.where(special, -1, 0), special)
    strings = {i: f" t{i}" for i in range(len(dense))}
    return LatentRows(
        indptr,
        column.astype(np.int32),
        dense[row, column],
        D_SAE,
        int(document.max()) + 1,
        places,
        strings,
        "x",
    )


@st.composite
def captured(draw):
    n = draw(st.integers(1, 12))
    value = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.5, *draw(st.sampled_from([(), (-1.5, -0.5)]))])
    dense = draw(st.lists(st.lists(value, min_size=D_SAE, max_size=D_SAE), min_size=n, max_size=n))
    document = np.cumsum(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    special = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return np.array(dense), document, np.array(special)


@given(captured(), st.sampled_from(["max", "mean"]), st.integers(1, 30))
def test_pooling_is_that_of_dense_documents_without_special_tokens(data, how, block):
    dense, document, special = data
    rows = made(dense, document, special)
    expected = np.zeros((document.max() + 1, D_SAE))
    for each in np.unique(document[~special]):
        part = dense[(document == each) & ~special]
        expected[each] = part.max(0) if how == "max" else part.mean(0)
    before = rows_module._BLOCK
    rows_module._BLOCK = block
    try:
        pooled = rows.pool(how)
    finally:
        rows_module._BLOCK = before
    # 1, -1.5 and 0.5 sum to 0 in one order, and within the rounding of their sizes in another
    rounding = 4 * len(dense) * np.finfo(float).eps * np.abs(dense).max()
    np.testing.assert_allclose(pooled.toarray(), expected, rtol=1e-12, atol=rounding)


@given(captured())
def test_columns_and_densities_are_those_of_the_dense_array(data):
    dense, document, special = data
    rows = made(dense, document, special)
    np.testing.assert_array_equal(rows.matrix.toarray(), dense)
    for latent in range(D_SAE):
        np.testing.assert_array_equal(rows.latent(latent), dense[:, latent])
    content = dense[~special]
    expected = (content != 0).mean(0) if len(content) else np.zeros(D_SAE)
    np.testing.assert_allclose(rows.density(), expected)


@given(captured(), st.integers(0, 12))
def test_joining_undoes_cutting(data, cut):
    dense, document, special = data
    cut = min(cut, len(dense))
    parts = [part for part in (slice(None, cut), slice(cut, None)) if len(dense[part])]
    joined = LatentRows.join([made(dense[part], document[part], special[part]) for part in parts])
    np.testing.assert_array_equal(joined.matrix.toarray(), dense)
    np.testing.assert_array_equal(joined.places.document, document)
    assert joined.n_documents == document.max() + 1


def test_what_is_not_there_is_named():
    rows = made([[1, 0, 0, 0, 2]], [0], [False])
    with pytest.raises(InputError, match="latents are 0 to 4, got 5"):
        rows.latent(5)
    with pytest.raises(InputError, match="latents are 0 to 4, got -1"):
        rows.latent(-1)
    with pytest.raises(InputError, match="pool is one of max, mean, got 'sum'"):
        rows.pool("sum")
