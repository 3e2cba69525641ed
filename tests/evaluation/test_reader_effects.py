"""Side effects of a prefix and of a model of its own: each figure against a plain computation of it."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from saesteer.errors import InputError
from saesteer.evaluation import Reader, SideEffects, first_divergence, reader_effects, side_effects, surprise
from saesteer.evaluation.fluency import perplexity_of
from saesteer.model import LanguageModel, Tokens
from saesteer.saes import ReLUSAE, SAEConfig

TEXTS = [" two three four", " ship sail wave salt", " six seven bell"]
BEFORES = ["one", "sea", "five six"]
PROMPTS = ["one two", "three", "bell sea"]
PREFIX = "salt wave {prompt}"


@pytest.fixture(scope="module")
def sae():
    draw = torch.Generator().manual_seed(0)
    tensors = {"W_enc": torch.randn(16, 24, generator=draw), "W_dec": torch.randn(24, 16, generator=draw),
               "b_enc": torch.zeros(24), "b_dec": torch.zeros(16)}  # fmt: skip
    return ReLUSAE(SAEConfig("standard", 16, 24, hook_name="layers.1"), tensors)


@pytest.fixture(scope="module")
def other(lm):
    """The model with its last norm changed and its words moved."""
    hf = copy.deepcopy(lm.hf)
    with torch.no_grad():
        hf.get_input_embeddings().weight[15:] *= 1.7
    return LanguageModel(hf, lm.tokenizer)


def by_hand(lm, reader, sae):
    """KL, reverse KL and drift per token, text by text and token by token."""
    sums, count = np.zeros(4), 0
    for text, before in zip(TEXTS, BEFORES, strict=True):
        n = len(text.split())
        two = [(lm, before + text), (reader.lm, reader.after(before) + text)]
        rows = [each.tokenize([words]).ids[0].tolist() for each, words in two]
        (p, z), (q, y) = (
            (
                each.logits(Tokens.of([row]))[0, -n - 1 : -1].double().log_softmax(-1),
                sae.encode(each.record(Tokens.of([row]), ["layers.1"])["layers.1"][0, -n:]),
            )
            for (each, _), row in zip(two, rows, strict=True)
        )
        kl, reverse = (float((a.exp() * (a - b)).sum()) for a, b in ((q, p), (p, q)))
        sums += [kl, reverse, float((y - z).abs().sum()), float(z.abs().sum())]
        count += n
    return dict(zip(("kl", "reverse_kl", "drift"), sums[:3] / count, strict=True)) | {
        "drift_share": sums[2] / sums[3]
    }


@pytest.mark.parametrize("kind", ["prefix", "model", "both"])
def test_figures_are_those_of_a_plain_computation(lm, other, sae, kind):
    reader = Reader(lm if kind == "prefix" else other, "{prompt}" if kind == "model" else PREFIX)
    found = reader_effects(lm, reader, 0.5, TEXTS, PROMPTS, sae, befores=BEFORES, tokens=12)
    assert [each.strength for each in found.summary] == [0.0, 0.5]
    plain, mine = found.summary
    expected = by_hand(lm, reader, sae)
    assert {n: mine.figures[n].estimate for n in expected} == pytest.approx(expected, rel=1e-4)
    nats = [surprise(lm, TEXTS, BEFORES), surprise(reader.lm, TEXTS, list(map(reader.after, BEFORES)))]
    assert plain.figures["perplexity"].estimate == pytest.approx(perplexity_of(nats[0]), rel=1e-4)
    assert mine.figures["perplexity"].estimate == pytest.approx(perplexity_of(nats[1]), rel=1e-4)
    assert {plain.figures[n].estimate for n in ("kl", "reverse_kl", "drift", "added_nats")} == {0.0}
    texts = [
        [
            row.ids
            for row in sorted(each.generate(after, 1, 12, temperature=0.0).rows, key=lambda r: r.request)
        ]
        for each, after in ((lm, PROMPTS), (reader.lm, list(map(reader.after, PROMPTS))))
    ]
    places = [first_divergence(b, a) for a, b in zip(*texts, strict=True)]
    assert [row.left for row in found.rows if row.kind == "written" and row.strength] == places
    assert (mine.read, mine.written, mine.tokens) == (3, 3, 10)
    assert found.changed[0].off_target and not found.changed[0].targets


def test_the_plain_model_itself_changes_nothing(lm, sae):
    found = reader_effects(lm, Reader(lm), 1.0, TEXTS, PROMPTS, sae, befores=BEFORES, tokens=12)
    plain, mine = found.summary
    assert mine.figures == plain.figures and mine.figures["never_diverges"].estimate == 1.0


def test_the_plain_rows_are_those_of_a_spec(lm, spec, sae):
    """So that all methods of a report stand beside one line of the unsteered model."""
    mine = reader_effects(lm, Reader(lm, PREFIX), 1.0, TEXTS, PROMPTS, sae, befores=BEFORES, tokens=12)
    spec_s = side_effects(lm, spec, [1.0], TEXTS, PROMPTS, sae, befores=BEFORES, tokens=12)
    one, two = mine.at(0.0), spec_s.at(0.0)
    assert one.figures.keys() == two.figures.keys()
    for name in one.figures:  # some are differences of batches of other shapes
        assert one.figures[name].estimate == pytest.approx(two.figures[name].estimate, rel=1e-5, abs=1e-4)


def test_only_tokens_that_both_readings_share_count(lm):
    """A text that begins with a word which the prefix's end takes in."""
    found = reader_effects(lm, Reader(lm, "{prompt}one"), 1.0, ["two three", "four five"])
    assert [row.tokens for row in found.rows if row.strength] == [1, 1]  # onetwo is one token
    with pytest.raises(InputError, match="text 1 has no token that both readings share"):
        reader_effects(lm, Reader(lm, "{prompt}one"), 1.0, ["two"])


def test_a_long_text_is_cut_for_distances_alone(lm):
    text = " " + " ".join(["one", "sea"] * 12)
    found = reader_effects(lm, Reader(lm, PREFIX), 1.0, [text], befores=["two"], max_length=10)
    assert [(row.tokens, row.measured) for row in found.rows] == [(24, 8), (24, 8)]  # <bos> two + 8
    longer = " " + " ".join(["one"] * 100)  # beyond the 64 positions of the model
    found = reader_effects(lm, Reader(lm, PREFIX), 1.0, [longer], befores=["two"])
    assert [(row.tokens, row.measured) for row in found.rows] == [(100, 60), (100, 60)]


def test_what_was_measured_is_found_again(lm, sae, tmp_path):
    def measured(prefix):
        return reader_effects(lm, Reader(lm, prefix), 1.0, TEXTS, PROMPTS, sae, tokens=4, folder=tmp_path)

    first = measured(PREFIX)
    stamp = (first.folder / "rows.parquet").stat().st_mtime_ns
    assert measured(PREFIX) == first and (first.folder / "rows.parquet").stat().st_mtime_ns == stamp
    assert measured("sea {prompt}").folder != first.folder
    assert len(list(tmp_path.glob("side-effects-*"))) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"texts": "one two"}, "lists of texts or prompts"),
        ({}, "lists of texts or prompts"),
        ({"texts": ["one two"], "befores": []}, "1 texts have 0 prompts"),
        ({"texts": ["one two"], "strength": 0.0}, "strength 0 is the plain model"),
        ({"texts": ["two"], "befores": ["one " * 20], "max_length": 8}, "text 1 begins beyond 8 tokens"),
    ],
)
def test_what_cannot_be_measured_is_named(lm, options, said):
    with pytest.raises(InputError, match=said):
        reader_effects(lm, Reader(lm, PREFIX), **options)


def test_seeds_are_pooled_over_equal_texts(lm, other, sae, tmp_path):
    def of(reader):
        return reader_effects(lm, reader, 1.0, TEXTS, PROMPTS, sae, befores=BEFORES, tokens=6)

    one, two = of(Reader(lm, PREFIX)), of(Reader(other))
    found = SideEffects.pooled({3: one, 5: two})
    assert found.seeds == 2 and SideEffects.pooled({3: one}) is one and one.seeds == 1
    assert {row.seed for row in found.rows} == {3, 5}
    mine, parts = found.at(1.0), (one.at(1.0), two.at(1.0))
    for name in ("kl", "drift", "added_nats", "repeated"):
        mean = np.mean([each.figures[name].estimate for each in parts])
        assert mine.figures[name].estimate == pytest.approx(mean, rel=1e-6)
    assert (mine.read, mine.written, mine.tokens) == (3, 3, 10)
    assert mine.distinct["distinct_1"] == pytest.approx(np.mean([p.distinct["distinct_1"] for p in parts]))
    same = SideEffects.pooled({3: one, 5: one})
    assert same.at(1.0) == one.at(1.0)  # a text's rows are drawn together: twice the same is no more
    assert same.changed == one.changed
    assert SideEffects.load(found.save(tmp_path / "s")) == replace(found, folder=None)
