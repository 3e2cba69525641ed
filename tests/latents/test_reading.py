import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError, MissingHookpoint
from saesteer.latents import Places, capture_stream
from saesteer.latents.reading import Reader, grouped, token_strings
from saesteer.model import LanguageModel
from saesteer.text import Row
from tests.latents.tiny import sae, sentences

# BOS, a word, an end token, a word.
PLACES = Places(
    np.array([1, 5, 2, 6]), np.zeros(4), np.array([-1, 0, 1, 2]), np.array([True, False, True, False])
)


@pytest.mark.parametrize(
    ("skip", "kept"),
    [((), [1, 5, 2, 6]), (("bos",), [5, 2, 6]), (("special",), [1, 5, 6]), (("bos", "special"), [5, 6])],
)
def test_bos_and_other_special_tokens_are_skipped_apart(skip, kept):
    assert PLACES.take(PLACES.without(skip)).ids.tolist() == kept


rows = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 1)), min_size=1, max_size=20)


@given(rows, st.integers(1, 30), st.booleans())
def test_groups_lose_no_row_and_keep_documents_whole_where_asked(sizes, tokens, whole):
    document = np.cumsum([step for _, step in sizes])
    made = [Row([7] * n, [int(d)] * n, list(range(n))) for (n, _), d in zip(sizes, document, strict=True)]
    groups = list(grouped(iter(made), tokens, whole))
    assert [row for group in groups for row in group] == made
    assert all(sum(map(len, group)) >= tokens for group in groups[:-1])
    if whole:
        seen = [{row.document[0] for row in group} for group in groups]
        assert sum(map(len, seen)) == len(set(document))
    else:
        assert all(sum(map(len, group[:-1])) < tokens for group in groups)


def test_parts_of_a_stream_hold_whole_documents(lm):
    texts = [" ".join(sentences(6, seed)) for seed in range(4)]
    parts = list(capture_stream(lm, texts, sae(), context=8, part_tokens=20))
    assert [sorted(set(part.places.document)) for part in parts] == [[0], [1], [2], [3]]


def test_microbatches_stay_within_their_size(lm, monkeypatch):
    shapes = []
    record = LanguageModel.record
    monkeypatch.setattr(
        LanguageModel,
        "record",
        lambda self, tokens, at: shapes.append(tokens.ids.shape) or record(self, tokens, at),
    )
    reader = Reader.of(lm, "layers.0", batch_tokens=40)
    group = list(reader.rows(sentences(50)))
    blocks = list(reader.blocks(group))
    assert sum(len(block.places) for block in blocks) == sum(map(len, group))
    assert all(n * width <= 40 for n, width in shapes)
    assert len(shapes) < 25  # of 50 rows of 4 to 13 tokens


def test_strings_are_as_they_stand_in_a_text(lm):
    ids = lm.tokenize(["the old sea"]).ids[0]
    strings = token_strings(lm, ids)
    assert [strings[int(each)] for each in ids] == ["<bos>", " the", " old", " sea"]
    assert token_strings(lm, [10_000]) == {10_000: "[10000]"}


def test_a_model_without_a_tokenizer_reads_no_texts(lm):
    with pytest.raises(InputError, match="has no tokenizer"):
        Reader.of(LanguageModel(lm.hf), "layers.0")
    with pytest.raises(MissingHookpoint):
        Reader.of(lm, "layers.5")
