"""The world's tokenizer, made from its lexicon: one token per word, bytes for everything else.

Plain Hugging Face format (a Unigram model with byte fallback). Knows the words, not the stories'
probabilities.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from saesteer.world.patterns import SUBJECT, Pattern, patterns
from saesteer.world.story import Sentence, title_words
from saesteer.world.surface import pieces
from saesteer.world.words import CONCEPTS, TOPICS, lexicon

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, UNK = "<pad>", "<bos>", "<eos>", "<unk>"
SPACE = "\u2581"
SINGLES = [chr(c) for c in range(33, 127)] + list("éèêàâçôîûùïëœ\u2019\u201c\u201d\u2013")


def _literals(pattern: Pattern) -> Iterable[tuple[str, bool]]:
    """The pieces that are not words of the lexicon; a first word also with a capital."""
    words = [item if isinstance(item, str) else "x" for item in pattern.items]
    for i, (word, space) in enumerate(pieces(words)):
        if not isinstance(pattern.items[i], str):
            continue
        yield word, space
        if i == 0:
            yield word[:1].upper() + word[1:], True
        if word == "a":
            yield "an", space


@cache
def vocabulary() -> tuple[str, ...]:
    """Every token, in the order of its id."""
    lex = lexicon()
    found: dict[str, None] = dict.fromkeys((PAD, BOS, EOS, UNK))
    found |= dict.fromkeys(f"<0x{byte:02X}>" for byte in range(256))
    found |= dict.fromkeys([SPACE, *SINGLES])

    def add(word: str, space: bool) -> None:
        found.setdefault((SPACE if space else "") + word)

    for word in lex.entries:
        add(word, True)
    for word in ("she", "he", "She", "He", "her", "his", "herself", "himself", "a", "an", "A", "An"):
        add(word, True)
    for pattern in patterns():
        for word, space in _literals(pattern):
            add(word, space)
        first = pattern.items[0]
        if not isinstance(first, str) and first.kind not in (SUBJECT, "other", "Name"):
            raise AssertionError(f"a pattern begins with {first}: {pattern.source}")
    for phrases in lex.connectives.values():
        for phrase in phrases:
            for i, (word, space) in enumerate(pieces(phrase.split())):
                add(word, space)
                if i == 0:
                    add(word.capitalize(), True)
    for forms in lex.titles.values():
        for form in forms:
            for topic in TOPICS:
                for word, space in pieces(title_words(form, topic)):
                    add(word, space)
    return tuple(found)


def build_tokenizer() -> "PreTrainedTokenizerFast":
    """The tokenizer as transformers loads it; BOS is put before every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = vocabulary()
    scored = [(w, -8.0 if len(w) > 1 and not w.startswith("<0x") else -12.0) for w in words]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=words.index(UNK), byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, words.index(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        unk_token=UNK,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


@cache
def token_ids() -> dict[str, int]:
    return {piece: i for i, piece in enumerate(vocabulary())}


def encode_sentences(sentences: Sequence[Sentence]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of a story with BOS and EOS, and for each token the index of its sentence (-1 for BOS and
    EOS).

    Equals tokenizing the story's text (tests/world/test_tokens.py), many times faster.
    """
    table = token_ids()
    ids, ends = [table[BOS]], [-1]
    for i, sentence in enumerate(sentences):
        for word, space in pieces(sentence.words):
            ids.append(table[SPACE + word if space else word])
            ends.append(i)
    ids.append(table[EOS])
    ends.append(-1)
    return np.array(ids, dtype=np.int64), np.array(ends, dtype=np.int64)


def token_labels(sentences: Sequence[Sentence]) -> Bool[np.ndarray, "tokens concepts"]:
    """For each token of `encode_sentences` the concepts that its sentence expresses (columns as CONCEPTS)."""
    _, owner = encode_sentences(sentences)
    none = [[False] * len(CONCEPTS)]  # BOS and EOS, whose owner is -1
    table = np.array([[c in s.concepts for c in CONCEPTS] for s in sentences] + none)
    return table[owner]
