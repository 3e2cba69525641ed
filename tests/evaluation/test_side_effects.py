"""Side effects in one call: the rows are those of each measure alone; killed runs go on."""

import json
import math
from dataclasses import replace

import pytest
import torch

from saesteer.errors import CorruptFile, InputError
from saesteer.evaluation import (
    SideEffects,
    departures,
    distinct_n,
    divergences,
    drifts,
    repeated_share,
    side_effects,
    strided_surprise,
    surprise,
)
from saesteer.evaluation.fluency import perplexity_of
from saesteer.saes import ReLUSAE, SAEConfig

TEXTS = ["one two three", "sea ship sail wave", "four five six seven bell"]
PROMPTS = ["one two", "three", "bell sea"]
STRENGTHS = (0.5, 3.0)


@pytest.fixture(scope="module")
def sae():
    draw = torch.Generator().manual_seed(0)
    tensors = {"W_enc": torch.randn(16, 24, generator=draw), "W_dec": torch.randn(24, 16, generator=draw),
               "b_enc": torch.zeros(24), "b_dec": torch.zeros(16)}  # fmt: skip
    return ReLUSAE(SAEConfig("standard", 16, 24, hook_name="layers.1"), tensors)


@pytest.fixture(scope="module")
def found(lm, spec, sae):
    return side_effects(
        lm, spec, STRENGTHS, TEXTS, PROMPTS, sae, tokens=12, against=0.5, targets=[3], changed=4
    )


def test_figures_are_those_of_each_measure_alone(found, lm, spec, sae):
    assert [each.strength for each in found.summary] == [0.0, 0.5, 3.0]
    nll = strided_surprise(lm, spec, [0.0, *STRENGTHS], TEXTS)
    far = divergences(lm, spec, [0.0, *STRENGTHS], TEXTS)
    moved = drifts(lm, spec, [0.0, *STRENGTHS], sae, TEXTS, targets=[3])
    left = departures(lm, spec, [0.0, *STRENGTHS], PROMPTS, 12)
    other = departures(lm, spec, [0.0, *STRENGTHS], PROMPTS, 12, against=0.5)
    for number, each in enumerate(found.summary):
        nats = sum(s.nats for s in nll[number]) - sum(s.nats for s in nll[0])
        expected = {
            "perplexity": perplexity_of(nll[number]),
            "added_nats": nats / 12,
            "kl": far[number].kl,
            "reverse_kl": far[number].reverse,
            "drift": moved[number].absolute,
            "drift_squared": moved[number].squared,
            "drift_share": moved[number].share,
            "first_divergence": left[number].mean.estimate,
            "never_diverges": left[number].never.estimate,
            "first_divergence_other": other[number].mean.estimate,
            "never_diverges_other": other[number].never.estimate,
        }
        assert {n: each.figures[n].estimate for n in expected} == pytest.approx(expected, abs=1e-4)
        assert (each.read, each.written, each.tokens) == (3, 3, 12)
        for interval in each.figures.values():
            assert interval.low <= interval.estimate <= interval.high


def test_written_texts_are_read_by_the_plain_model(found, lm):
    for each in found.summary:
        mine = [row for row in found.rows if row.kind == "written" and row.strength == each.strength]
        texts = [row.text for row in mine]
        nats = surprise(lm, texts, PROMPTS)
        assert each.figures["written_perplexity"].estimate == pytest.approx(perplexity_of(nats), rel=1e-4)
        assert each.distinct["distinct_2"] == distinct_n(texts, 2)
        assert [row.repeated for row in mine] == [repeated_share(text) for text in texts]


def test_the_latents_that_changed_are_named(found, lm, spec, sae):
    moved = drifts(lm, spec, STRENGTHS, sae, TEXTS, targets=[3])
    assert [each.strength for each in found.changed] == list(STRENGTHS)
    for each, drift in zip(found.changed, moved, strict=True):
        assert [one.latent for one in each.off_target] == [one.latent for one in drift.most_changed(4)]
        assert {one.latent for one in each.targets} <= {3} and 3 not in {o.latent for o in each.off_target}


def test_texts_after_their_prompts(lm, spec):
    texts, before = [" sail wave", " six seven bell"], ["sea ship", "four five"]
    found = side_effects(lm, spec, [1.0], texts, befores=before)
    assert found.at(1.0).tokens == 5 and set(found.at(1.0).figures) == {
        "perplexity", "added_nats", "kl", "reverse_kl"}  # fmt: skip
    plain = surprise(lm, texts, before)
    assert found.at(0.0).figures["perplexity"].estimate == pytest.approx(perplexity_of(plain), rel=1e-4)
    with pytest.raises(InputError, match="strength 7 was not measured; there are 0, 1"):
        found.at(7)


def test_a_killed_run_goes_on_and_is_found_again(lm, spec, sae, tmp_path, monkeypatch):
    monkeypatch.setattr("saesteer.evaluation.effects_measured.AT_ONCE", 2)
    given = (lm, spec, STRENGTHS, TEXTS, PROMPTS, sae)
    whole = side_effects(*given, tokens=5)
    seen = []

    def stop(noun, done, total):
        seen.append((noun, done, total))
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_effects(*given, tokens=5, folder=tmp_path, progress=stop)
    calls = []
    logits = lm.logits
    monkeypatch.setattr(lm, "logits", lambda *each: calls.append(1) or logits(*each))
    again = side_effects(*given, tokens=5, folder=tmp_path)
    assert again == whole and not calls  # the texts were read before the stop
    assert sorted(each.name for each in again.folder.iterdir()) == [
        "manifest.json", "rows.parquet", "side_effects.json"]  # fmt: skip
    assert side_effects(*given, tokens=5, folder=tmp_path).folder == again.folder
    assert side_effects(*given, tokens=6, folder=tmp_path).folder != again.folder


def test_what_was_saved_is_loaded_or_refused(found, tmp_path):
    place = found.save(tmp_path / "one")
    assert SideEffects.load(place) == found and len(found.to_pandas()) == len(found.rows)
    assert "changed most" in found._repr_html_()
    (place / "rows.parquet").write_bytes((place / "rows.parquet").read_bytes() + b" ")
    with pytest.raises(CorruptFile):
        SideEffects.load(place)
    place = found.save(tmp_path / "two")
    record = json.loads((place / "side_effects.json").read_text())
    (place / "side_effects.json").write_text(json.dumps(record | {"changed": [{}]}))
    with pytest.raises(CorruptFile, match="no whole measurement"):
        SideEffects.load(place)


def test_numbers_that_are_none_are_infinite_figures(found):
    rows = tuple(replace(row, nats=None) if row.strength == 3.0 else row for row in found.rows)
    told = SideEffects(rows, (), found.provenance).at(3.0).figures
    assert told["added_nats"].estimate == math.inf and told["perplexity"].estimate > 1e300


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "lists of texts or prompts"),
        ({"texts": "one"}, "lists of texts"),
        ({"texts": TEXTS, "befores": ["one"]}, "3 texts have 1 prompts"),
    ],
)
def test_what_cannot_be_measured(lm, spec, given, told):
    with pytest.raises(InputError, match=told):
        side_effects(lm, spec, [1.0], **given)


def test_an_sae_needs_texts(lm, spec, sae):
    with pytest.raises(InputError, match="give texts"):
        side_effects(lm, spec, [1.0], prompts=PROMPTS, sae=sae)
