"""The tokenizer: one token per word, bytes for the rest, the fast encoding equal to the slow."""

from saesteer.world.story import tell
from saesteer.world.tokens import SPACE, build_tokenizer, encode_sentences, token_labels, vocabulary
from saesteer.world.words import CONCEPTS, lexicon


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


def test_every_token_is_labelled_with_the_concepts_of_its_sentence():
    for seed in range(100):
        story = tell(seed)
        ids, owner = encode_sentences(story.sentences)
        labels = token_labels(story.sentences)
        assert labels.shape == (len(ids), len(CONCEPTS))
        assert not labels[[0, -1]].any()
        for token, sentence, row in list(zip(ids, owner, labels, strict=True))[1:-1]:
            named = {CONCEPTS[i] for i in row.nonzero()[0]}
            assert named == set(story.sentences[sentence].concepts)
            if story.sentences[sentence].reading.part == "title":
                continue  # "An ancient tale about dogs." names its topic, in words of a register
            entry = lexicon().entries.get(vocabulary()[token].removeprefix(SPACE))
            assert entry is None or entry.owner is None or entry.owner in named
