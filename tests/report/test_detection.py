"""The page of a detection: what it says, how it draws tokens, texts that want out."""

import re
from dataclasses import replace

import numpy as np
import pytest

from saesteer.concepts import Detection, Detector, separation
from saesteer.errors import InputError
from saesteer.report.detection import (
    DetectionPage,
    Scale,
    ShownText,
    drawn,
    render_detection,
    scale_of,
    spans,
    window,
    write_detection_page,
)
from saesteer.text import Document
from tests.report.test_page import HOSTILE, Page

DETECTOR = Detector(
    latents=(7,), hookpoint="layers.3", threshold=1.0, goal="f1", concept="sea", sae="world/layers.3"
)


def text(
    words=(" the", " old", " sea"), scores=(0.0, 0.5, 2.0), number=1, positive=None, label=None, score=None
):
    score = max(each for each in scores if each is not None) if score is None else score
    document = Document("".join(words).strip(), f"a/b/texts.txt:{number}", label)
    found = Detection(document, score, score > 1.0, tuple(words), tuple(range(len(words))), tuple(scores))
    return ShownText(number, found, positive)


def page(*texts, **more):
    scores = [each.detection.score for each in texts]
    summary = {
        "texts": len(texts), "found": sum(score > 1 for score in scores), "labelled": 0, "tokens": 9,
        "lowest": min(scores), "median": float(np.median(scores)), "highest": max(scores),
    }  # fmt: skip
    return DetectionPage(more.pop("detector", DETECTOR), summary, more.pop("figures", None), texts, **more)


def marks(html):
    return re.findall(r'<mark( class="above")? style="--a:(\d+)%" title="[^"]*">([^<]*)</mark>', html)


def test_tokens_are_shaded_by_their_scores():
    html = render_detection(page(text()))
    assert marks(html) == [("", "25", "old"), (' class="above"', "100", "sea")]
    assert 'title="·sea  2.000  token 3"' in html
    assert "1 of 1 score above the threshold of 1.000 (f1)" in html
    assert "latent 7 of world/layers.3 at layers.3; a text counts by the highest token" in html
    assert "texts.txt:1" in html and "a/b/" not in html


def test_the_scale_begins_at_nothing_or_at_the_median():
    plain = page(text(scores=(-1.0, 0.5, 2.0)))
    assert scale_of(plain) == Scale(0.0, 2.0, 1.0)
    z = page(text(scores=(-1.0, 0.5, 2.0)), detector=replace(DETECTOR, score="z"))
    assert scale_of(z) == Scale(0.5, 2.0, 1.0)
    mean = page(text(), detector=replace(DETECTOR, pool="mean"))
    assert scale_of(mean).threshold is None and "underlined" not in render_detection(mean)
    assert [Scale(0, 2, None).percent(each) for each in (-1, 0, 1, 2, 3)] == [0, 0, 50, 100, 100]
    assert Scale(0, 0, None).percent(1.0) == 0


def test_a_cut_letter_is_one_piece_with_its_strongest_part():
    one = text((" a", "🌊", "", "", "é"), (0.0, 0.5, 2.0, 0.1, 0.0))
    found = spans(one.detection, Scale(0, 2, 1.0))
    assert [(each.text, each.shade, each.above) for each in found] == [
        ("a", 0, False), ("🌊", 100, True), ("é", 0, False),
    ]  # fmt: skip
    assert found[1].title == "🌊  0.500, 2.000, 0.100  tokens 2 to 4"


def test_special_tokens_have_no_score():
    one = text((" a", "<unk>"), (1.5, None))
    assert spans(one.detection, Scale(0, 2, 1.0))[1].title == "<unk> does not count"


def test_white_space_shows_and_letters_stay():
    assert drawn("a\n\nb\n") == "a↵\n↵\nb↵\n"
    assert drawn("\t\r\n") == "⇥\t↵\n"
    assert drawn("שלום \u202e!") == "שלום \ufffd!"
    html = render_detection(page(text((" a", "\n\n", " b"), (0.0, 2.0, 0.0))))
    assert marks(html)[0][2] == "↵↵\n"


def test_only_a_part_of_a_long_text_is_shown():
    scores = [0.0] * 2000
    scores[1500] = 3.0
    long = text([f" w{i}" for i in range(2000)], scores)
    start, end = window(long.detection)
    assert end - start == 400 and start < 1500 < end
    html = render_detection(page(long))
    assert f"… {start:,} tokens …" in html and "w1500" in html and ">w1<" not in html
    cut = text(["é" if i % 2 == 0 else "" for i in range(1001)], [float(i == 601) for i in range(1001)])
    assert window(cut.detection)[0] % 2 == 0


def test_verdicts_labels_and_figures():
    kinds = [
        text(score=2.0, positive=True, label="1"),
        text(score=0.5, positive=True, label="1", number=2),
        text(score=2.5, positive=False, label="0", number=3),
        text(score=0.4, positive=False, label="0", number=4),
        text(score=0.3, number=5),
    ]
    figures = separation(np.array([2.0, 0.5, 2.5, 0.4]), np.array([True, True, False, False]), 1.0, n=50)
    html = render_detection(page(*kinds, figures=figures))
    for verdict in ("found, rightly", "missed", "false alarm", "rightly left out", ">not found<"):
        assert verdict in html
    assert "AUROC" in html and "0.500" in html and "2 positive, 2 negative" in html
    assert "All 5 texts, highest first" in html
    assert "AUROC" not in render_detection(page(*kinds))
    assert "there is no threshold" in render_detection(
        page(*kinds, detector=replace(DETECTOR, threshold=None))
    )


@pytest.mark.parametrize("order", ["score", "text"])
def test_it_is_one_well_formed_page(order):
    html = render_detection(page(text(), text(number=2), order=order, command="saesteer detect x"))
    found = Page(html)
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert not re.search(r"https?:|//[a-z]|@import|url\(|\ssrc=", html)


def test_hostile_texts_are_shown_and_do_nothing(tmp_path):
    evil = text((HOSTILE, f" {HOSTILE}"), (2.0, 0.1), label=HOSTILE, positive=True)
    evil = replace(
        evil, detection=replace(evil.detection, document=replace(evil.detection.document, id=HOSTILE))
    )
    detector = replace(
        DETECTOR, concept=HOSTILE, reason=HOSTILE, sae=HOSTILE, goal=HOSTILE, hookpoint=HOSTILE
    )
    html = render_detection(page(evil, detector=detector, command=HOSTILE, notes=(HOSTILE,)))
    found = Page(html)
    plain = [tag for tag, _ in Page(render_detection(page(text(), command="x", notes=("x",)))).elements]
    ours = [tag for tag, _ in found.elements]
    assert set(ours) <= set(plain) and "script" not in ours
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert html.count("<style") == 1 and "".join(found.text).count("<script>alert(1)</script>") > 5
    assert not set("\x00\x1b\u202e\ud800") & set(html)
    write_detection_page(page(evil), tmp_path / "page.html")
    with pytest.raises(InputError, match="a page is one"):
        write_detection_page(page(evil), tmp_path / "page.txt")
