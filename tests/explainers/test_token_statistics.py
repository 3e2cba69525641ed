"""The explanation without a language model: forms, words, and what it never looks at."""

import asyncio
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.examples import LatentRecord
from saesteer.explainers import EXPLAINERS, Explainer
from saesteer.explainers.token_statistics import TokenStatistics
from saesteer.explainers.wording import quoted
from saesteer.runs import plain
from tests.explainers.made import ID, WEDDING, record, tokened


def said(of: LatentRecord, **settings):
    return asyncio.run(TokenStatistics(**settings).explain(of))


SILENT = [
    "the man walked to the shop and bought some bread @.",
    "it was cold @, and nobody came @. They ate soup @.",
    "a dog ran over the long road @. The boy laughed @.",
    "she read the paper in the garden @, then slept @.",
    "we saw seven boats on the lake @. It was fun @.",
    "he told the girl a story @. She liked it a lot @.",
]


def test_a_family_of_words_and_what_it_promotes():
    found = said(WEDDING)
    assert found.text == ('Fires on "bride", "groom" and "veil". It promotes "vows" and "kiss".')
    assert found.failure is None and found.latent == ID and found.explainer == "token_statistics"


def test_details_have_the_figures_and_are_json():
    details = json.loads(json.dumps(plain(said(WEDDING).details)))
    first = details["fires_on"][0]
    assert first["word"] == "bride" and first["rate"] == 1.0 and first["elsewhere"] == 0.0
    weights = [9, 6, 8, 9, 4, 7, 8, 5, 6, 5]
    assert first["share"] == pytest.approx((9 + 8 + 9 + 8) / sum(weights), abs=1e-4)
    assert first["z"] > 3 and first["log_odds"] > 2
    assert details["form"] == "family" and details["suppressed"] == [" bone"]


def test_windows_that_test_are_never_read():
    other = replace(WEDDING, test=WEDDING.test * 3, silent_test=())
    assert said(other) == said(WEDDING) and "SECRET" not in json.dumps(plain(said(WEDDING)))


def test_one_word_in_its_phrase():
    train = [f"{name} made up {his} mind|5 about the {thing} @." for name, his, thing in zip(
        ["Anna", "Ben", "Carl", "Dora", "Eve", "Finn", "Gus", "Hana"],
        ["her", "his"] * 4,
        ["boat", "dog", "soup", "road", "girl", "lake", "shop", "story"],
        strict=True,
    )]  # fmt: skip
    found = said(record(train, SILENT))
    assert found.text is not None and found.details["form"] == "word"
    assert found.text.startswith('Fires on "mind" in "made up her/his mind about the"')


def test_a_context_and_no_word_of_its_own():
    """It fires on "the" and "was" in sentences about ships only; both stand elsewhere too."""
    first = "an anchor was|4 found by the|3 sailor @. Then the dog was in the garden @."
    second = "one sailor saw the|3 deck @, which was|4 wet @. Then the soup was cold @."
    third = "on the|4 deck lay his anchor @, as was|3 usual @. But nobody came to the lake @."
    elsewhere = [f"{each} It was the truth and was in the news @." for each in SILENT]
    found = said(record([first, second, third] * 3, elsewhere))
    assert found.details["form"] == "context"
    assert 'on many words ("was", "the")' in found.text and "garden" not in found.text
    assert {"anchor", "sailor", "deck"} <= set(found.text.split('"'))


def test_the_start_of_texts():
    words = ["Once", "They", "Dogs", "Every", "Anna", "Rain", "Some", "Here"]
    train = [f"{word}|9 came {text}" for word, text in zip(words, SILENT + SILENT[:2], strict=True)]
    found = said(record(train, SILENT))
    assert found.text.startswith('Fires at the start of texts, on words such as "')


def test_a_window_that_is_centred_is_no_place():
    """Every peak at the same place far from the start says nothing of places."""
    found = said(record([f"{each.removesuffix(' @.')} bride|5 came in @." for each in SILENT], SILENT))
    assert found.details["form"] == "word" and 'Fires on "bride"' in found.text


def test_marks_are_called_by_their_names():
    found = said(record([each.replace(" @.", " @.|3") for each in SILENT], [f"{e[:-3]}" for e in SILENT]))
    assert found.text.startswith("Fires on full stops")


def test_the_beginning_of_sentences():
    openers = ["After", "Soon", "Later", "Once", "Today", "Twice"]
    train = [f"{a} {b}|4 it rained" for a, b in zip(SILENT, openers, strict=True)]
    found = said(record(train, SILENT))
    assert "at the beginning of sentences" in found.text


def test_an_ending_that_words_share():
    manners = ["slowly", "sadly", "happily", "boldly", "calmly", "proudly", "wisely", "rudely"]
    train = [f"the man {m}|3 walked to the {n}|3 shop" for m, n in zip(manners, manners[::-1], strict=True)]
    assert said(record(train, SILENT)).text.startswith('Fires on words that end in "-ly", such as "')


def test_pieces_are_shown_as_words():
    windows = tuple(tokened([" the", " bri", "de", " came", "."], [0, 2, 5, 0, 0], row) for row in range(6))
    made = replace(record(["x|1"], SILENT), train=windows)
    assert '"bride"' in said(made).text


def test_little_to_see_is_a_failure():
    few = said(record(["the bride|3 came @."], SILENT))
    assert few.text is None and few.failure.kind == "too_few_examples" and "1 active" in few.failure.message
    none = said(record([], SILENT), least=0)
    assert none.failure.kind == "too_few_examples"


def test_nothing_that_separates_is_said_so():
    """Every third word of the same texts, whatever it is."""
    texts = [tuple(f" w{(7 * row + 3 * i) % 23}" for i in range(30)) for row in range(8)]
    train = tuple(tokened(t, [2.0 * (i % 3 == 0) for i in range(30)], row) for row, t in enumerate(texts))
    silent = tuple(tokened(t, [0.0] * 30, row + 50) for row, t in enumerate(texts))
    made = replace(record(["x|1"]), train=train, silent_train=silent)
    assert said(made).failure.kind == "nothing_separates"
    promoting = said(replace(made, promoted=(" kiss",)))
    assert 'no word or context sets its places apart. It promotes "kiss".' in promoting.text


def test_no_silent_windows_are_needed():
    assert "bride" in said(replace(WEDDING, silent_train=())).text


def test_promoted_words_can_be_left_out():
    assert "promotes" not in said(WEDDING, promotes=0).text


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("bride", '"bride"'),
        (".", "full stops"),
        ("\n", "line breaks"),
        ('say "hi"', "\"say 'hi'\""),
        ("\x1b[31m", '"\ufffd[31m"'),
        ("a\u202eb", '"a\ufffdb"'),
        ("x" * 50, '"' + "x" * 39 + '…"'),
    ],
)
def test_words_are_harmless(word, shown):
    assert quoted(word) == shown


def test_it_is_the_one_of_the_table_and_follows_the_protocol():
    made = EXPLAINERS.get("token_statistics")()
    assert isinstance(made, Explainer) and isinstance(made, TokenStatistics)
    assert made.fingerprint() == TokenStatistics().fingerprint() != TokenStatistics(least=9).fingerprint()


TOKENS = st.lists(
    st.tuples(st.text(max_size=4), st.sampled_from([0.0, 0.0, 0.5, 3.0])), min_size=1, max_size=9
)


@given(st.lists(TOKENS, max_size=6), st.lists(TOKENS, max_size=4))
def test_any_windows_give_a_sentence_or_a_failure(train, silent):
    windows = tuple(tokened(*zip(*w, strict=True), row) for row, w in enumerate(train))
    quiet = tuple(tokened([t for t, _ in w], np.zeros(len(w)), 50 + row) for row, w in enumerate(silent))
    made = LatentRecord(ID, windows, (), quiet, promoted=(" a",))
    found = said(made, least=1)
    assert (found.text is None) == (found.failure is not None)
    assert found == said(made, least=1)
    json.dumps(plain(found.details))
