"""The tokenizer: one token per word, bytes for the rest, the fast encoding equal to the slow."""

from saesteer.world.story import tell
from saesteer.world.tokens import build_tokenizer, encode_sentences, vocabulary


def test_the_fast_encoding_equals_the_tokenizer():
    tokenizer = build_tokenizer()
    for seed in range(300):
        story = tell(seed)
        ids, sentence = encode_sentences(story.sentences)
        assert tokenizer(story.text)["input_ids"] == ids[:-1].tolist()
        assert tokenizer.decode(ids, skip_special_tokens=True) == story.text
        assert sentence.max() == len(story.sentences) - 1


def test_any_text_survives():
    tokenizer = build_tokenizer()
    for text in ("Zyzzyva \u4f60\u597d 42!", "naïve café", "The quick brown fox."):
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_size():
    assert 2000 <= len(vocabulary()) <= 4000
    assert len(set(vocabulary())) == len(vocabulary())
