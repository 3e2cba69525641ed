import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from saesteer.concepts import contrast_of, rank_latents
from saesteer.concepts.contrast import evidence_of
from saesteer.errors import InputError, MissingHookpoint, ShapeMismatch, UnknownName
from saesteer.latents import capture
from saesteer.text import Concept
from tests.latents.tiny import D_SAE, WORDS, sae, sentences

SEA = ["sea", "ship", "wave", "sailor"]
LAND = [word for word in WORDS if word not in SEA]
PLANTED, BACKWARDS, SILENT = 7, 3, 11
AT = "layers.0.in"  # the embedding, where a word is a word


def about(nouns, n, seed=0):
    """Sentences with one of the nouns each, otherwise of the land."""
    return [f"{text} {nouns[i % 4]} and the {LAND[i % 8]}" for i, text in enumerate(sentences(n, seed, LAND))]


CONCEPT = Concept("sea", "The sea.", about(SEA, 24), about(LAND[:4], 30, 9))


@pytest.fixture(scope="session")
def planted(lm):
    """An SAE with a latent for words of the sea, one against them, a silent one; the others random."""
    made = sae("standard", hook_name=AT)
    activations, labels = [], []
    for text in about(SEA, 200, 5):
        activations.append(lm.record(lm.tokenize([text]), at=[AT])[AT][0, 1:])
        labels += [word in SEA for word in text.split()]
    x = torch.cat(activations)
    target = torch.tensor(labels).float()
    solved = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1)], 1), target[:, None]).solution[:, 0]
    with torch.no_grad():
        made.W_enc[:, PLANTED], made.b_enc[PLANTED] = solved[:-1], solved[-1] - 0.5
        made.W_enc[:, BACKWARDS], made.b_enc[BACKWARDS] = -solved[:-1], 0.5 - solved[-1]
        made.W_enc[:, SILENT], made.b_enc[SILENT] = 0, -1
    return made


def pooled(lm, coder, texts, how):
    """[texts, d_sae], one text at a time, BOS left out."""
    found = []
    for text in texts:
        z = coder.encode(lm.record(lm.tokenize([text]), at=[AT])[AT][0, 1:])
        found.append((z.amax(0) if how == "max" else z.mean(0)).numpy())
    return np.stack(found).astype(float)


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_text_level_figures_are_those_of_the_naive_way(lm, planted, pool):
    ranking = rank_latents(lm, planted, CONCEPT, pool=pool, evidence=0)
    yes, no = (pooled(lm, planted, texts, pool) for texts in (CONCEPT.positive, CONCEPT.negative))
    assert len(ranking.rows) == D_SAE
    for row in ranking.rows:
        a, b = yes[:, row.latent], no[:, row.latent]
        # Another batch shape changes the last bits, and with them who wins a near tie.
        near = 1e-5 * max(1.0, np.abs(a).max())
        sure, possible = (a[:, None] > b + near).mean(), (a[:, None] >= b - near).mean()
        exact = (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()
        assert sure <= row.auroc <= possible
        both_silent = ((a[:, None] == 0) & (b == 0)).mean()
        if possible - sure == pytest.approx(both_silent, abs=1e-12):  # no other near ties
            assert row.auroc == pytest.approx(exact, abs=1e-6)
        assert row.mean_difference == pytest.approx(a.mean() - b.mean(), rel=1e-3, abs=1e-5)
        spread = math.sqrt((a.var() * len(a) + b.var() * len(b)) / (len(a) + len(b) - 2))
        if spread == 0 or spread > 100 * near:  # else it is made of last bits
            expected_d = (a.mean() - b.mean()) / spread if spread else 0
            assert row.cohens_d == pytest.approx(expected_d, rel=1e-2, abs=1e-4)
        assert (row.rate_positive, row.rate_negative) == ((a > 0).mean(), (b > 0).mean())
        assert row.p_adjusted >= row.p
    best = ranking.best
    expected = stats.mannwhitneyu(yes[:, best.latent], no[:, best.latent], method="asymptotic").pvalue
    assert best.p == pytest.approx(expected, rel=1e-6)


def test_token_level_figures_are_those_of_tokens(lm, planted):
    ranking = rank_latents(lm, planted, CONCEPT, level="token", evidence=0)
    sides = []
    for texts in (CONCEPT.positive, CONCEPT.negative):
        rows = capture(lm, texts, planted)
        sides.append(rows.matrix[rows.content].toarray().astype(float))
    yes, no = sides
    assert (ranking.summary["positive"], ranking.summary["negative"]) == (len(yes), len(no))
    for row in ranking.rows[:5]:
        a, b = yes[:, row.latent], no[:, row.latent]
        # Another batch shape changes the last bits, and with them who wins a near tie.
        near = 1e-5 * max(1.0, np.abs(a).max())
        sure, possible = (a[:, None] > b + near).mean(), (a[:, None] >= b - near).mean()
        exact = (a[:, None] > b).mean() + 0.5 * (a[:, None] == b).mean()
        assert sure <= row.auroc <= possible
        both_silent = ((a[:, None] == 0) & (b == 0)).mean()
        if possible - sure == pytest.approx(both_silent, abs=1e-12):  # no other near ties
            assert row.auroc == pytest.approx(exact, abs=1e-6)
        assert row.mean_difference == pytest.approx(a.mean() - b.mean(), rel=1e-3)
    # p is of texts: far from what so many tokens would pretend.
    means = [
        pooled(lm, planted, texts, "mean")[:, ranking.best.latent]
        for texts in (CONCEPT.positive, CONCEPT.negative)
    ]
    assert ranking.best.p == pytest.approx(stats.mannwhitneyu(*means, method="asymptotic").pvalue, rel=1e-6)
    assert any("not independent" in note for note in ranking.notes)


@pytest.mark.parametrize("level", ["text", "token"])
def test_the_planted_latent_comes_first_and_its_opposite_late(lm, planted, level):
    full = [text + f" {' '.join(SEA)}" * 3 for text in CONCEPT.positive]  # most tokens, for the token level
    ranking = rank_latents(lm, planted, positive=full, negative=CONCEPT.negative, level=level)
    assert ranking.best.latent == PLANTED
    assert [row.auroc for row in ranking.rows] == sorted((row.auroc for row in ranking.rows), reverse=True)
    by_latent = {row.latent: row for row in ranking.rows}
    assert by_latent[SILENT].auroc == 0.5
    assert (by_latent[SILENT].p, by_latent[SILENT].cohens_d, by_latent[SILENT].rate_positive) == (1, 0, 0)
    if level == "token":
        assert by_latent[BACKWARDS].auroc < 0.5
    assert ranking.best.p_adjusted < 0.01
    assert ranking.summary["best"] == PLANTED
    assert ranking.summary["silent"] >= 1


@pytest.mark.parametrize("latent", [PLANTED, BACKWARDS, SILENT])
def test_one_latent_by_itself_has_the_figures_that_it_has_among_all(lm, planted, latent):
    found = contrast_of(lm, planted, CONCEPT, latent)
    texts, tokens = (
        {row.latent: row for row in rank_latents(lm, planted, CONCEPT, level=level, evidence=0).rows}
        for level in ("text", "token")
    )
    assert found.rows == (replace(texts[latent], p_adjusted=texts[latent].p),)
    assert found.summary["token_auroc"] == tokens[latent].auroc
    assert found.summary["texts"] == [24, 30]
    [shown] = found.evidence
    assert shown.latent == latent
    if latent == PLANTED:
        assert {each.tokens[each.peak].strip() for each in shown.contexts} <= set(SEA)


def test_a_latent_that_the_sae_has_not_is_refused(lm, planted):
    with pytest.raises(InputError, match=f"latents are 0 to {D_SAE - 1}, got {D_SAE}"):
        contrast_of(lm, planted, CONCEPT, D_SAE)


def test_evidence_shows_the_words_of_the_sea(lm, planted):
    ranking = rank_latents(lm, planted, CONCEPT, evidence=2)
    assert [each.latent for each in ranking.evidence] == [row.latent for row in ranking.rows[:2]]
    peaks = {each.tokens[each.peak].strip() for each in ranking.evidence[0].contexts}
    assert peaks <= set(SEA)
    assert all(each.document < 24 for each in ranking.evidence[0].contexts)
    assert len(ranking.evidence[0].promoted) == len(ranking.evidence[0].suppressed) == 10


def test_evidence_of_latents_that_do_not_write_to_the_stream(lm):
    inside = sae("standard", d_in=lm.width("layers.0.mlp.act"), hook_name="layers.0.mlp.act")
    rows = capture(lm, CONCEPT.positive, inside)
    found = evidence_of(lm, inside, rows, int(rows.density().argmax()))
    assert found.contexts
    assert found.promoted == found.suppressed == ()


def test_texts_without_a_concept(lm, planted):
    by_texts = rank_latents(lm, planted, positive=list(CONCEPT.positive), negative=list(CONCEPT.negative))
    assert by_texts.rows == rank_latents(lm, planted, CONCEPT).rows
    assert by_texts.provenance["texts"] == rank_latents(lm, planted, CONCEPT).provenance["texts"]


def test_other_spellings_of_the_hookpoint_are_the_same(lm, planted):
    named = rank_latents(lm, planted, CONCEPT, at="blocks.0.hook_resid_pre")
    assert named.rows == rank_latents(lm, planted, CONCEPT).rows
    assert named.provenance["hookpoint"] == AT


def test_corrections_are_over_all_latents(lm, planted):
    from saesteer.statistics import benjamini_hochberg, holm

    for name, function in (("holm", holm), ("bh", benjamini_hochberg)):
        rows = rank_latents(lm, planted, CONCEPT, correction=name, evidence=0).rows
        expected = function(np.array([row.p for row in rows]))
        assert [row.p_adjusted for row in rows] == pytest.approx(list(expected))


def test_the_best_of_chance_falls_back_on_other_texts(lm):
    texts = sentences(40, 3, LAND)
    chance = rank_latents(lm, sae(), positive=texts[:20], negative=texts[20:], pool="mean")
    assert chance.best.auroc > 0.65
    assert chance.summary["held_out_auroc"] < chance.best.auroc - 0.05
    assert chance.summary["significant"] == 0
    assert any("texts that did not choose the latent" in note for note in chance.notes)


def test_the_planted_latent_holds_on_other_texts(lm, planted):
    ranking = rank_latents(lm, planted, CONCEPT)
    assert ranking.summary["held_out_auroc"] == pytest.approx(ranking.best.auroc, abs=0.02)
    assert ranking.notes == ()


def test_the_same_texts_give_the_same_ranking(lm, planted):
    assert rank_latents(lm, planted, CONCEPT) == rank_latents(lm, planted, CONCEPT)


def test_few_texts_are_called_few(lm, planted):
    few = Concept("sea", "", CONCEPT.positive[:3], CONCEPT.negative[:3])
    ranking = rank_latents(lm, planted, few)
    assert ranking.summary["held_out_auroc"] is None
    assert any("only 3 positive and 3 negative texts" in note for note in ranking.notes)
    assert any("no single one can be significant" in note for note in ranking.notes)
    assert ranking.summary["significant"] == 0


def test_sides_of_different_lengths_are_called_so(lm, planted):
    long = [f"{text} {text} {text}" for text in CONCEPT.positive]
    uneven = rank_latents(lm, planted, positive=long, negative=CONCEPT.negative)
    assert any("a maximum grows with length alone" in note for note in uneven.notes)
    assert not rank_latents(lm, planted, positive=long, negative=CONCEPT.negative, pool="mean").notes


YES, NO = list(CONCEPT.positive), list(CONCEPT.negative)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give a concept, or positive and negative texts"),
        ({"concept": CONCEPT, "positive": YES}, "give a concept, or positive and negative texts"),
        ({"positive": YES}, "there are no negative texts"),
        ({"positive": [], "negative": NO}, "there are no positive texts"),
        (
            {"positive": YES[:1], "negative": NO},
            "a contrast needs 2 texts on each side, got 1 positive and 30",
        ),
        ({"positive": "the old sea", "negative": NO}, "positive is a list of texts, got str"),
        ({"positive": YES, "negative": [*NO, "sea"]}, "negative text 31 is one word"),
        ({"positive": YES, "negative": [*NO, YES[0]]}, "is positive and negative"),
        ({"positive": [*YES, "<pad> <bos>"], "negative": NO}, "positive text 25 has fewer than two tokens"),
        ({"positive": YES, "negative": ["<eos> sea", *NO]}, "negative text 1 has fewer than two tokens"),
        ({"concept": CONCEPT, "level": "word"}, "level is one of text, token, got 'word'"),
        ({"concept": CONCEPT, "pool": "sum"}, "pool is one of max, mean, got 'sum'"),
        ({"concept": CONCEPT, "correction": "none"}, "correction is one of holm, bh, got 'none'"),
        ({"concept": CONCEPT, "evidence": -1}, "evidence is a number of latents, got -1"),
    ],
)
def test_bad_requests_are_named(lm, planted, given, message):
    with pytest.raises(InputError) as raised:
        rank_latents(lm, planted, **given)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_does_not_fit_is_named(lm, planted):
    with pytest.raises(ShapeMismatch, match="SAE d_in is 16"):
        rank_latents(lm, sae(d_in=16), CONCEPT)
    with pytest.raises(MissingHookpoint):
        rank_latents(lm, planted, CONCEPT, at="layers.9")
    with pytest.raises(InputError, match=r"trained at layers\.0\.in but is used at layers\.0, "):
        rank_latents(lm, planted, CONCEPT, at="layers.0")
    with pytest.raises(UnknownName):
        rank_latents(lm, planted, "weding")
