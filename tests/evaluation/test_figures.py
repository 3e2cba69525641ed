"""What many samples amount to."""

from dataclasses import replace

import pytest

from saesteer.evaluation import distinct_n, figures


def test_distinct_words_compare_whatever_the_number_of_samples(make_rows):
    """Texts that grow no more alike must not seem to because there are more of them."""
    few = make_rows({f"prompt {i}": [(0.5, 1.0)] for i in range(8)})
    texts = [f"word{i} the sea was calm" for i in range(8)]
    few = [replace(row, text=text) for row, text in zip(few, texts, strict=True)]
    many = [replace(row, sample=number) for number in range(5) for row in few]
    assert figures(few).distinct_1 == pytest.approx(distinct_n(texts, 1))
    assert figures(many).distinct_1 == pytest.approx(figures(few).distinct_1)
    assert distinct_n([row.text for row in many], 1) < figures(many).distinct_1


def test_distinct_words_of_less_than_a_block(make_rows):
    rows = make_rows({"a": [(0.5, 1.0)], "b": [(0.5, 1.0)]})
    assert figures(rows).distinct_1 == pytest.approx(4 / 8)
