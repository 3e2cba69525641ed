"""A concept's words in a text: whole ones, in any case, and nothing of the text does anything."""

import pytest

from saesteer.report.marked import marked, pieces

MARK = '<mark class="w">{}</mark>'


@pytest.mark.parametrize(
    ("text", "words", "hits"),
    [
        ("The sea, the SEA; sealed, undersea, sea-side.", ["sea"], ["sea", "SEA", "sea"]),
        ("a wedding dress", ["wedding", "wedding dress"], ["wedding dress"]),
        ("Meer und Übermut", ["über", "MEER"], ["Meer"]),
        ("C++ and (x)", ["C++", "(x)", "."], ["C++", "(x)"]),
        ("nothing", [], []),
        ("a b", ["", " "], []),
    ],
)
def test_whole_words_in_any_case(text, words, hits):
    found = list(pieces(text, words))
    assert [piece for hit, piece in found if hit] == hits
    assert "".join(piece for _, piece in found) == text


def test_text_and_words_are_escaped():
    found = marked("<b>sea</b> & <script> \u202e", ["sea", "<script>"])
    assert found == f"&lt;b&gt;{MARK.format('sea')}&lt;/b&gt; &amp; {MARK.format('&lt;script&gt;')} \ufffd"
