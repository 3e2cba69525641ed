"""Tokens as pieces of text: together they are the text, also where letters are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from saesteer.latents.reading import token_strings
from saesteer.latents.wording import token_pieces
from saesteer.world.tokens import build_tokenizer


class Holder:
    """What is asked of a model here."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def pieces(self, text):
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return token_pieces(self, ids, token_strings(self, set(ids)))


@pytest.fixture(scope="module")
def bytewise():
    """A token per byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    found = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    return Holder(PreTrainedTokenizerFast(tokenizer_object=found))


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), min_size=1, max_size=12))
def test_cut_letters_stand_at_their_first_token(bytewise, text):
    pieces = bytewise.pieces(text)
    assert len(pieces) == len(text.encode())
    assert "".join(pieces) == text
    assert [each for each in pieces if each] == list(text)


def test_a_broken_end_is_no_loop(bytewise):
    ids = bytewise.tokenizer("é🌊", add_special_tokens=False)["input_ids"][:-1]
    pieces = token_pieces(bytewise, ids, token_strings(bytewise, set(ids)))
    assert len(pieces) == len(ids) and pieces[0] == "é" and "\ufffd" in "".join(pieces)


def test_the_world_reads_any_letters():
    holder = Holder(build_tokenizer())
    assert "".join(holder.pieces("You fool 🌊é, שלום.")).strip() == "You fool 🌊é, שלום."
