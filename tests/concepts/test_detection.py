"""Scores of tokens and texts against the model and the SAE asked one text at a time; calibration."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from saesteer.concepts import Detector, calibrate, detect, measured
from saesteer.concepts.detection import pooled
from saesteer.errors import InputError
from saesteer.model import load_model
from saesteer.text import Document, split
from tests.latents.tiny import sae, save_model, sentences

SAE = sae()
TEXTS = sentences(30, seed=8)
CLOSE = {"rtol": 1e-5, "atol": 1e-4}  # of scores around 100, in float32 and batches of other shapes
BASE = Detector(latents=(5,), hookpoint="layers.0")


def naive(lm, text, detector):
    """One text at a time, by the dense SAE; BOS and special tokens aside."""
    tokens = lm.tokenize([text])
    x = lm.record(tokens, at=["layers.0"])["layers.0"][0]
    values = (SAE.encode(x) if detector.score == "h" else SAE.pre(x))[:, list(detector.latents)]
    values = values.amax(-1) if detector.combine == "max" else values.sum(-1)
    counts = ~np.isin(tokens.ids[0].numpy(), lm.tokenizer.all_special_ids)
    return values.numpy()[counts]


@pytest.mark.parametrize("score", ["h", "z"])
@pytest.mark.parametrize("pool", ["max", "mean", "last"])
@pytest.mark.parametrize(("latents", "combine"), [((5,), "max"), ((5, 2, 9), "max"), ((5, 2, 9), "sum")])
def test_scores_are_those_of_each_text_alone(lm, score, pool, latents, combine):
    detector = replace(BASE, latents=latents, combine=combine, score=score, pool=pool, threshold=0.1)
    found = list(detect(lm, SAE, detector, TEXTS, batch_tokens=64))
    assert [each.document.text for each in found] == TEXTS
    for text, each in zip(TEXTS, found, strict=True):
        expected = naive(lm, text, detector)
        np.testing.assert_allclose(each.scores, expected, **CLOSE)
        reduced = {"max": expected.max(), "mean": expected.mean(), "last": expected[-1]}[pool]
        assert each.score == pytest.approx(reduced, rel=1e-5, abs=1e-4) and each.found is (each.score > 0.1)
        assert "".join(each.tokens).strip() == text and len(each.ids) == len(each.tokens)


def test_bos_never_counts_however_large(lm):
    """At BOS this latent is largest of all."""
    x = lm.record(lm.tokenize(["the"]), at=["layers.0"])["layers.0"][0, 0]
    loud = sae("standard")
    loud.W_enc[:, 5] = x * 100
    detector = replace(BASE, score="z")
    found = next(iter(detect(lm, loud, detector, ["the old sea and the ship"])))
    at_bos = float(loud.pre(x)[5])
    assert len(found.scores) == 6 and found.score < at_bos


def test_special_tokens_are_shown_and_do_not_count(lm):
    found = next(iter(detect(lm, SAE, replace(BASE, score="z"), ["the zebra saw"])))
    assert found.tokens[1].strip() == "<unk>" and found.scores[1] is None
    assert found.score == max(score for score in found.scores if score is not None)
    with pytest.raises(InputError, match="document 2 has special tokens only; remove it"):
        list(detect(lm, SAE, BASE, ["the sea", "zebra"]))


def test_long_texts_go_in_pieces_and_come_as_one(lm):
    long = " ".join(TEXTS)
    found = next(iter(detect(lm, SAE, BASE, [long], context=16)))
    assert len(found.tokens) == len(long.split()) and "".join(found.tokens).strip() == long
    again = next(iter(detect(lm, SAE, BASE, [long], context=16, batch_tokens=32)))
    np.testing.assert_allclose(found.scores, again.scores, **CLOSE)


def test_texts_stream(lm):
    def endless():
        while True:
            yield from TEXTS

    assert len(list(islice(detect(lm, SAE, BASE, endless()), 40))) == 40


def test_pooled():
    values = np.array([1.0, 3.0, 2.0])
    assert [pooled(values, how) for how in ("max", "mean", "last")] == [3, 2, 2]


def test_another_sae_model_or_number_is_refused(lm, tmp_path):
    own = replace(
        BASE, sae="mine", sae_fingerprint=SAE.fingerprint(), model="m", model_fingerprint=lm.fingerprint()
    )
    assert list(detect(lm, SAE, own, TEXTS[:1]))
    with pytest.raises(InputError, match="the detector is of the SAE mine"):
        next(iter(detect(lm, sae(seed=1), own, TEXTS)))
    other = load_model(save_model(tmp_path / "other", seed=1))
    with pytest.raises(InputError, match="the detector is of the model m"):
        next(iter(detect(other, SAE, own, TEXTS)))
    with pytest.raises(InputError, match="latents are 0 to 47, got 48"):
        next(iter(detect(lm, SAE, replace(BASE, latents=(48,)), TEXTS)))


def labelled(n=60):
    """The word bride is the concept."""
    plain = [text.replace("bride", "sailor") for text in sentences(n, seed=3)]
    return [
        Document(
            f"{text} {'bride' if i % 2 else 'wave'}", str(i), str(i % 2), {"grade": i % 2 * (0.6 + i / 200)}
        )
        for i, text in enumerate(plain)
    ]


def seer(lm):
    """An SAE whose latent 5 is the token bride: what its embedding has and the others have not."""
    found = sae("standard", hook_name="embed")
    rows = lm.hf.get_input_embeddings().weight
    ids = lm.tokenize([" ".join(["bride", "wave", "the", "old"])], bos=False).ids[0]
    with torch.no_grad():
        found.W_enc[:, 5] = rows[ids[0]] / rows[ids[0]].square().sum()
        found.b_enc[5] = 0
    return found


def test_calibrated_on_one_half_and_measured_on_the_other(lm):
    documents = labelled()
    reader = seer(lm)
    ready = calibrate(lm, reader, replace(BASE, hookpoint="embed"), [*documents, Document("the sea", "x")])
    assert 0 < ready.threshold < 1 and ready.goal == "f1"
    assert ready.figures.auroc.estimate == ready.figures.f1.estimate == 1
    assert ready.figures.positives + ready.figures.negatives == 30 and ready.figures.graded == 30
    assert ready.figures.spearman.estimate > 0.5
    about = ready.provenance["calibration"]
    assert about["documents"] == {"calibration": 30, "test": 30, "unlabelled": 1}
    again = calibrate(lm, reader, replace(BASE, hookpoint="embed"), documents)
    assert again.threshold == ready.threshold and again.figures == ready.figures
    every = measured(ready, detect(lm, reader, ready, documents))
    assert every.accuracy.estimate == 1 and every.positives == 30
    assert measured(ready, detect(lm, reader, ready, TEXTS)) is None


def test_the_figures_are_of_the_half_that_had_no_say(lm):
    """On a latent that tells nothing the two halves differ."""
    documents = labelled()
    ready = calibrate(lm, SAE, replace(BASE, score="z"), documents, seed=3)
    parts = split(documents, {"calibration": 0.5, "test": 0.5}, 3, stratified=True)
    of = {name: measured(ready, detect(lm, SAE, ready, part), grade="grade") for name, part in parts.items()}
    assert ready.figures.auroc.estimate == pytest.approx(of["test"].auroc.estimate)
    assert ready.figures.f1.estimate == pytest.approx(of["test"].f1.estimate)
    assert of["test"].auroc.estimate != pytest.approx(of["calibration"].auroc.estimate)
    assert of["calibration"].f1.estimate >= of["test"].f1.estimate


def test_labels_by_name(lm):
    named = [replace(each, label={"0": "fine", "1": "wed"}[each.label]) for each in labelled()]
    ready = calibrate(lm, seer(lm), replace(BASE, hookpoint="embed"), named, positive=["wed"], goal="fpr=0.1")
    assert ready.figures.recall.estimate == 1 and ready.goal == "fpr=0.1"
    with pytest.raises(InputError, match="the label 'fine' is neither a number nor true or false"):
        calibrate(lm, seer(lm), replace(BASE, hookpoint="embed"), named)


@pytest.mark.parametrize("keep", [lambda each: each.label == "1", lambda each: False])
def test_one_kind_alone_calibrates_nothing(lm, keep):
    with pytest.raises(InputError, match=r"half has \d+ positive and \d+ negative ones; give labelled texts"):
        calibrate(lm, SAE, BASE, [each for each in labelled() if keep(each)])
