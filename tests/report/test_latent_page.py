"""The page of a latent: from a cache, from results, from both, from neither; texts that want out."""

import re

import numpy as np
import pytest

from saesteer.cache import cache_of_matrix
from saesteer.errors import InputError, UnknownName
from saesteer.examples import Explanation, Failure, Interpretation, LatentFigures, LatentId, Score
from saesteer.latents import LogitEffect, TokenEffect
from saesteer.report.latent_contexts import contexts, window_at
from saesteer.report.latent_page import LatentNotes, LatentPages, Neighbour, latent_page
from saesteer.report.token_marks import drawn
from tests.report.test_page import HOSTILE, Page

STRINGS = ("<s>", " the", " sea", " and", " a", " boat", ".", "\n", " é", "🌊")
BOS, SEA, BOAT = 0, 2, 5
SEA_LATENT, DENSE, SILENT = (LatentId("layers.3", number) for number in range(3))


def made_cache(rows: int = 30, size: int = 24, strings=STRINGS):
    """Latent 0 fires at " sea" and a little at " boat", latent 1 everywhere, latent 2 never."""
    draw = np.random.default_rng(0)
    ids = draw.integers(1, len(strings), rows * size)
    ids[::size] = BOS
    matrix = np.zeros((len(ids), 3), np.float32)
    matrix[:, 0] = np.where(ids == SEA, 4 + draw.random(len(ids)), np.where(ids == BOAT, 0.5, 0))
    matrix[:, 1] = 0.1 + draw.random(len(ids))
    starts = np.arange(0, len(ids) + 1, size)
    return cache_of_matrix(matrix, ids, starts, strings, "layers.3", frozenset({BOS}))


@pytest.fixture(scope="module")
def cache():
    return made_cache()


def answer(start, truth=True, said=True, **more):
    return {"truth": truth, "said": said, "probability": 0.75, "quantile": 3 if truth else None,
            "start": start, "kind": "active" if truth else "random"} | more  # fmt: skip


def made_results(*rows, latent=SEA_LATENT, **figures):
    score = Score(latent, "detection", "the sea", 0.5, {"f1": 0.5} | figures, rows)
    known = {latent: LatentFigures(0.1, 4.9, 60)}
    return Interpretation((Explanation(latent, "default", "the sea"),), (score,), known)


EFFECT = LogitEffect((TokenEffect(2, " sea", 2.5),), (TokenEffect(7, "\n", -1.5),))


def test_contexts_hold_the_strongest_token_and_no_token_twice(cache):
    entries = cache["layers.3"].latent(0)
    found = contexts(cache, entries, strongest=4, per_band=2, length=8)
    assert (
        found[0].top
        and [each.max for each in found[0].examples] == sorted(entries.values.tolist(), reverse=True)[:4]
    )
    seen: set[int] = set()
    for group in found:
        for each in group.examples:
            places = set(range(each.start, each.start + len(each.ids)))
            assert not places & seen and len(each.ids) <= 8
            seen |= places
            assert group.low <= each.max <= group.high * 1.001
    assert found[-1].low == 0.0 and found[-1].examples[0].tokens.count(" boat")
    assert sum(group.share for group in found if not group.top) == pytest.approx(1)


def test_a_window_stays_in_its_row_and_holds_no_special_token(cache):
    entries = cache["layers.3"].latent(1)
    for group in contexts(cache, entries, length=100):
        for each in group.examples:
            assert BOS not in each.ids and len(each.ids) == 23
            assert each.row == each.start // 24
            assert np.array_equal(each.activations > 0, np.ones(23, bool))
    last = window_at(cache, entries, 24 * 30 - 3, 32)
    assert len(last.ids) == 3 and last.row == 29
    assert len(window_at(cache, entries, 21, 32).ids) == 3
    assert window_at(cache, entries, 24 * 30, 32) is None and window_at(cache, entries, -1, 32) is None


def one_row(values, special=()):
    """A latent with these values at the tokens of one row."""
    ids = np.ones(len(values), int)
    ids[list(special)] = BOS
    matrix = np.array(values, np.float32)[:, None]
    found = cache_of_matrix(matrix, ids, np.array([0, len(values)]), STRINGS, "a", frozenset({BOS}))
    return found, found["a"].latent(0)


def test_of_equal_activations_the_earlier_is_shown():
    first = contexts(*one_row([2.0] * 40), strongest=1, length=4)[0]
    assert [each.start for each in first.examples] == [0] and first.share == 1.0


def test_windows_of_neighbouring_peaks_are_one():
    values = [0.0] * 10 + [5.0, 4.9] + [0.0] * 20 + [4.8] + [0.0] * 10
    first = contexts(*one_row(values), strongest=3, length=8)[0]
    assert [each.start for each in first.examples] == [4, 26]


def test_an_activation_on_an_edge_is_in_the_part_below():
    values = [0.0] * 80
    values[5::16] = [1.0, 2.0, 3.0, 4.0, 5.0]
    parts = contexts(*one_row(values), strongest=1, per_band=1, length=8)[1:]
    assert [(each.low, each.high, each.share) for each in parts] == [
        (n, n + 1, pytest.approx(0.2)) for n in (3, 2, 1, 0)
    ]


@pytest.mark.parametrize(("special", "window"), [([], (15, 35)), ([20], (21, 35)), ([20, 32], (21, 32))])
def test_a_special_token_ends_a_window_on_either_side(special, window):
    values = [0.0] * 30 + [5.0] + [0.0] * 20
    (example,) = contexts(*one_row(values, special), strongest=1, length=20)[0].examples
    assert (example.start, example.start + len(example.ids)) == window


def test_figures_are_told_as_the_answers_tell_them():
    html = latent_page(None, SEA_LATENT, made_results(accuracy_quantile_0=0.25, tp=3.0, recall=1.0))
    for text in (">accuracy part 1 0.250<", ">tp 3<", ">recall 1.000<"):
        assert text in html, text


def test_what_the_cache_says_is_on_the_page(cache):
    html = latent_page(cache, SEA_LATENT, effect=EFFECT)
    statistics = cache["layers.3"].statistics
    assert f"{statistics.count[0]:,} in {statistics.rows[0]} rows" in html
    assert "% of 690 tokens" in html and 'title="+2.50">·sea<' in html and ">↵<" in html
    peak = cache["layers.3"].latent(0).values.max()
    assert re.search(rf'<mark style="--a:100%" title="·sea  {peak:.4g}  token \d+">sea</mark>', html)
    assert html.count("<title>0.5 to 0.707: ") == 1  # a bar
    assert "Not explained." in html and "It is silent" not in html
    assert "How its explanation was judged" not in html


def test_a_silent_latent_says_so(cache):
    html = latent_page(cache, SILENT)
    assert "It is silent in the whole cache." in html and "<svg" not in html


def test_answers_show_their_windows_wrong_ones_first(cache):
    rows = (answer(25), answer(49, said=False), answer(73, truth=False, said=False), answer(97, truth=False))
    html = latent_page(cache, SEA_LATENT, made_results(*rows))
    said = re.findall(r'<span class="verdict( wrong)?">([^<]*)</span>', html)
    assert said == [(" wrong", "missed"), (" wrong", "false alarm"), ("", "found, rightly"),
                    ("", "rightly left out")]  # fmt: skip
    assert "probability 0.75, part 4, from token 49" in html and "random, from token 97" in html
    section = html[html.index('class="answers"') :]
    text = "".join(cache.strings[each] for each in cache.tokens.ids[49:72])
    shown = re.sub(r"<[^>]*>", "", re.search(r'<p dir="auto">(.*?)</p>', section, re.DOTALL)[1])
    assert shown == text.replace("\n", "↵")


def test_answers_of_other_kinds_are_shown_as_they_are():
    rows = (
        {"truth": [1, 2], "said": [0.5, 1.0], "correlation": 0.82, "start": 25},
        {"truth": True, "said": None, "value": 0.31, "start": 25},
        {"truth": 3, "said": 2, "start": 25},
        {"strange": [1, {"deep": "<b>"}]},
        {},
    )
    html = latent_page(None, SEA_LATENT, made_results(*rows))
    for text in ("correlation 0.82", "value 0.31", "said 2, wrong: 3", "&lt;b&gt;", "{}"):
        assert text in html, text
    assert "No cache was given" in html


def test_results_of_another_sae_than_the_caches_have_no_texts(cache):
    other = LatentId("layers.9", 1)
    html = latent_page(cache, other, made_results(answer(25), latent=other))
    assert "No cache was given" in html and "the sea" in html
    with pytest.raises(UnknownName):
        latent_page(cache, other)
    with pytest.raises(InputError, match=r"latents of layers\.3 are 0 to 2, got 3"):
        latent_page(cache, LatentId("layers.3", 3))


def test_failures_and_neighbours_are_told(cache):
    failed = Explanation(SEA_LATENT, "default", None, Failure("timed_out", "30 seconds"))
    near = Explanation(DENSE, "default", "any token")
    found = Interpretation((failed, near), (), {})
    neighbours = {SEA_LATENT: (Neighbour(DENSE, 0.4, "jaccard"), Neighbour(SILENT, 0.1, "decoder"))}
    pages = LatentPages(cache, found, neighbours=neighbours, notes=LatentNotes(links={DENSE: "1.html"}))
    html = pages.render(SEA_LATENT)
    assert "no explanation: timed out (30 seconds)" in html
    assert '<a href="1.html">layers.3/1</a></th><td>0.40</td><td>jaccard</td>' in html and "any token" in html


def test_more_answers_than_fit_are_counted(cache):
    html = latent_page(cache, SEA_LATENT, made_results(*[answer(25)] * 70))
    assert html.count('class="verdict"') == 60 and "10 more answers are in the results" in html


def test_it_is_one_well_formed_page_from_nowhere_else(cache):
    html = latent_page(cache, DENSE, made_results(answer(25), latent=DENSE), EFFECT)
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)|\ssrc=|<script", html)


def test_hostile_texts_are_shown_and_do_nothing():
    long = " " + "y" * 5000
    strings = ("<s>", HOSTILE, f" {HOSTILE}", " \u202eevil\u2066", long, "\u200b")
    cache = made_cache(strings=strings)
    effect = LogitEffect(
        (TokenEffect(1, HOSTILE, 1.0), TokenEffect(4, long, 0.5)), (TokenEffect(2, "\x1b", -1.0),)
    )
    latent = SEA_LATENT
    rows = (answer(25, truth=HOSTILE, said=HOSTILE, kind=HOSTILE), {HOSTILE: HOSTILE})
    found = Interpretation(
        (
            Explanation(latent, HOSTILE, HOSTILE, None, details={HOSTILE: HOSTILE}),
            Explanation(latent, "other", None, Failure(HOSTILE, HOSTILE)),
        ),
        (
            Score(latent, HOSTILE, HOSTILE, 0.5, {HOSTILE: 0.5}, rows, (Failure(HOSTILE, HOSTILE),)),
        ),
        {},
    )  # fmt: skip
    neighbours = (Neighbour(LatentId(HOSTILE, 1), 0.5, HOSTILE),)
    html = latent_page(cache, latent, found, effect, neighbours, LatentNotes(command=HOSTILE))
    page = Page(html)
    known = (
        "html head meta title style body main header p h1 ul li span small details summary div b dl dt dd "
        "section h2 h3 figure figcaption svg g rect line text ol mark table thead tbody tr th td code"
    )
    assert {tag for tag, _ in page.elements} <= set(known.split())
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert html.count("<style") == 1 and "yyyyyyyyyy" * 9 not in html
    assert not set("\x00\x1b\u202e\u2066\u200b\ud800") & set(html)
    assert "⟨U+202E⟩evil⟨U+2066⟩" in html and "⟨U+200B⟩" in html and "(5,001 letters)" in html
    assert "".join(page.text).count("<script>alert(1)</script>") > 5
    titles = [attributes["title"] for tag, attributes in page.elements if tag == "mark"]
    assert any('<b onclick="x">&amp;{{ 7*7 }}' in each for each in titles)


def test_tokens_are_drawn_so_that_all_is_seen():
    assert drawn("a\r\nb\tc") == "a↵b⇥c"
    assert drawn("\u202eab") == "⟨U+202E⟩ab"
    assert drawn("שלום") == "שלום"
    assert drawn("z" * 100) == "z" * 80 + "… (100 letters)"


def test_a_page_is_html(cache, tmp_path):
    pages = LatentPages(cache)
    path = pages.write(SEA_LATENT, tmp_path / "new/0.html")
    assert path.read_text(encoding="utf-8") == pages.render(SEA_LATENT)
    with pytest.raises(InputError, match=r"name it 0\.html"):
        pages.write(SEA_LATENT, tmp_path / "0.txt")
