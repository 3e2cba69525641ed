"""Choosers: from a concept to a shortlist of latents, by what they read, by what they write, or by both.

A new chooser is a function (lm, sae, concept, at, n) and a line in CHOOSERS. None asks a judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from saesteer.concepts.contrast import SIGNIFICANT, rank_latents
from saesteer.concepts.effect import output_effect
from saesteer.concepts.lift import text_lift
from saesteer.concepts.neutral import neutral_prompts
from saesteer.concepts.output_score import output_scores
from saesteer.concepts.ranking import LatentScore, Ranking
from saesteer.concepts.shortlist import Candidate, Shortlist
from saesteer.concepts.topics import REFERENCES, align_topic
from saesteer.embeddings import Embedder
from saesteer.errors import InputError
from saesteer.latents import hookpoint_of
from saesteer.model import LanguageModel
from saesteer.names import Registry
from saesteer.saes import SAE
from saesteer.text import Concept, load_concept

POOL: Final = 64
"""Latents that a cheap figure hands to an expensive one."""
LIFTED: Final = 32
"""The same where whole texts are read for each."""


class Chooser(Protocol):
    """At most `n` latents for a concept, best first; `at`: where the SAE reads, if not where it says."""

    def __call__(
        self, lm: LanguageModel, sae: SAE, concept: Concept | str, at: str | None = None, n: int = 20
    ) -> Shortlist: ...


CHOOSERS: Final[Registry[Chooser]] = Registry(
    "chooser",
    {
        "contrast": "saesteer.concepts.choosers:contrast",
        "logit_effect": "saesteer.concepts.choosers:logit_effect",
        "output_score": "saesteer.concepts.choosers:output_score",
        "combined": "saesteer.concepts.combined:combined",
        "lift": "saesteer.concepts.choosers:lift",
        "supervised": "saesteer.concepts.supervised:supervised",
        "topic_alignment": "saesteer.concepts.choosers:topic_alignment",
    },
    group="saesteer.choosers",
)


_NO_PROMPTS: Final = (
    "there are no reference prompts for the model {model!r}, so the texts of {concept!r} stand for them, on "
    "which many latents score alike; give reference prompts (D_ref), a hundred or more on all kinds of things"
)


def contrast(
    lm: LanguageModel, sae: SAE, concept: Concept | str, at: str | None = None, n: int = 20
) -> Shortlist:
    """By what they read: the AUROC between texts with the concept and texts without (see rank_latents).

    Of the first `n` those that are more active on the positive texts; weighted by how much more.
    """
    concept = load_concept(concept)
    ranking = rank_latents(lm, sae, concept, at=at, evidence=0)
    found = [row for row in ranking.rows[:n] if row.mean_difference > 0]
    if not found:
        raise InputError(
            f"no latent is more active on the positive texts of {concept.name!r} at "
            f"{ranking.provenance['hookpoint']}; take another SAE or other texts, or name a latent"
        )
    rows = [Candidate(row.latent, row.mean_difference, input_figures(row)) for row in found]
    return Shortlist(tuple(rows), "contrast", ranking.notes, ranking.provenance)


def logit_effect(
    lm: LanguageModel, sae: SAE, concept: Concept | str, at: str | None = None, n: int = 20
) -> Shortlist:
    """By what their direction says to the unembedding: the mean logit of the concept's tokens.

    The direct path alone, without a forward pass; what the latents read has no say (see output_effect).
    """
    concept, at = load_concept(concept), hookpoint_of(lm, sae, at)
    effect = output_effect(lm, sae, concept).double().numpy()
    best = [int(i) for i in np.argsort(-effect, kind="stable")[:n] if effect[i] > 0]
    if not best:
        raise InputError(f"no latent's direction speaks for the tokens of {concept.name!r}; take another SAE")
    rows = [Candidate(i, float(effect[i]), {"output_effect": float(effect[i])}) for i in best]
    return Shortlist(tuple(rows), "logit_effect", provenance=about(lm, sae, concept, at))


def output_score(
    lm: LanguageModel, sae: SAE, concept: Concept | str, at: str | None = None, n: int = 20
) -> Shortlist:
    """By what they do to the next token: the output score, of the 64 that logit_effect puts first.

    The score itself knows no concept (see output_score.py), so the direct path says which latents are asked.
    """
    concept, at = load_concept(concept), hookpoint_of(lm, sae, at)
    asked = logit_effect(lm, sae, concept, at, max(POOL, n))
    scores = output_scores(lm, sae, asked.latents, at, prompts=neutral_prompts(concept)).score
    rows = [
        Candidate(row.latent, max(float(score), 1e-6), {"output_score": float(score), **row.figures})
        for row, score in zip(asked.rows, scores, strict=True)
    ]
    return Shortlist(best_first(rows, n), "output_score", provenance=about(lm, sae, concept, at))


def lift(
    lm: LanguageModel, sae: SAE, concept: Concept | str, at: str | None = None, n: int = 20
) -> Shortlist:
    """By what they cause: how much more they raise texts with the concept than texts without (lift.py).

    Of 32 that read the concept, half of them the best readers, half those that write most of it. Those that
    do the opposite are left out, unless all do, which a note says.
    """
    concept, at = load_concept(concept), hookpoint_of(lm, sae, at)
    ranking = rank_latents(lm, sae, concept, at=at, evidence=0)
    found, share = readers(ranking), max(LIFTED, n + 1) // 2
    asked = {row.latent: row for row in found[:share]}
    effect = output_effect(lm, sae, concept).double().numpy()
    for row in sorted(found, key=lambda row: -effect[row.latent])[:share]:
        asked.setdefault(row.latent, row)
    values = text_lift(lm, sae, list(asked), concept, at)
    rows = [
        Candidate(
            row.latent,
            max(float(value), 1e-6),
            {"lift": float(value), **input_figures(row), "output_effect": float(effect[row.latent])},
        )
        for row, value in zip(asked.values(), values, strict=True)
    ]
    causing, notes = [row for row in rows if row.figures["lift"] > 0], ranking.notes
    if not causing:
        notes = (*notes, f"no latent makes the texts of {concept.name!r} likelier than the others")
    return Shortlist(best_first(causing or rows, n), "lift", notes, ranking.provenance)


def topic_alignment(
    lm: LanguageModel,
    sae: SAE,
    concept: Concept | str,
    at: str | None = None,
    n: int = 20,
    *,
    reference: Sequence[str] | str | None = None,
    embedder: str | Embedder = "minilm",
) -> Shortlist:
    """By how near to the concept the texts are on which they are active (arXiv 2506.12576, see align_topic).

    The lower end of the score's interval ranks, among equals the score. `reference`: the prompts, as in
    align_topic; None: those of the model's own name, or where there are none the concept's texts of both
    sides: then every latent that is active on positive texts alone has the highest score, which a note says.
    `embedder`: as in align_topic; MissingExtra where its package is not installed.
    """
    concept, at = load_concept(concept), hookpoint_of(lm, sae, at)
    notes: tuple[str, ...] = ()
    if reference is None and lm.name not in REFERENCES:
        reference = (*concept.positive, *concept.negative)
        notes = (_NO_PROMPTS.format(model=lm.name, concept=concept.name),)
    scores = align_topic(lm, sae, concept.positive, reference, at=at, name=concept.name, embedder=embedder)
    rows = [
        Candidate(row.latent, max(row.score, 1e-6), {"low": row.value("low"), "score": row.score})
        for row in scores.top(n)
    ]
    provenance = {**about(lm, sae, concept, at), "alignment": scores.provenance}
    notes = (f"verdict: {scores.verdict}", *scores.notes, *notes)
    return Shortlist(tuple(rows), "topic_alignment", notes, provenance)


def readers(ranking: Ranking) -> list[LatentScore]:
    """Latents that are more active on the positive texts, significantly so where any is; best first."""
    more = [row for row in ranking.rows if row.mean_difference > 0]
    if not more:
        raise InputError(
            f"no latent is more active on the positive texts of {ranking.provenance['concept']!r}; "
            "take another SAE or other texts"
        )
    return [row for row in more if row.p_adjusted <= SIGNIFICANT] or more


def input_figures(row: LatentScore) -> dict[str, float]:
    """What speaks for a latent as a reader."""
    return {"auroc": row.auroc, "mean_difference": row.mean_difference, "cohens_d": row.cohens_d}


def best_first(rows: Iterable[Candidate], n: int) -> tuple[Candidate, ...]:
    """The first `n` by their first figure."""
    return tuple(sorted(rows, key=lambda row: -next(iter(row.figures.values())))[:n])


def about(lm: LanguageModel, sae: SAE, concept: Concept, at: str) -> Mapping[str, Any]:
    """What a shortlist was made from."""
    found = {"concept": concept.name, "model": lm.fingerprint(), "sae": sae.fingerprint(), "hookpoint": at}
    return found | {"arithmetic": lm.arithmetic}
