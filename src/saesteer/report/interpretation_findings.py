"""An interpretation in sentences, for the head of its page and the end of a run. Knows its figures only."""

from __future__ import annotations

from collections.abc import Sequence

from saesteer.examples import Interpretation
from saesteer.report.score_summary import FailureCount, ScorerSummary
from saesteer.report.words import between, number


def findings(
    interpretation: Interpretation, summaries: Sequence[ScorerSummary], failed: Sequence[FailureCount]
) -> tuple[str, ...]:
    """What there is, what each scorer says of it, and what is missing."""
    return (
        *_explained(interpretation),
        *(_scored(each) for each in summaries),
        *_failed(failed, sum(each.answers for each in summaries)),
    )


def _explained(interpretation: Interpretation) -> list[str]:
    if not interpretation.explanations:
        return ["Explained: nothing; there is no explanation in these results."]
    latents = {each.latent for each in interpretation.explanations}
    done = {each.latent for each in interpretation.explanations if each.text}
    names = ", ".join(dict.fromkeys(each.explainer for each in interpretation.explanations))
    line = f"Explained: {len(done):,} of {len(latents):,} latents have an explanation ({names})."
    return [line] if interpretation.scores else [line, "Scored: nothing; there is no score in these results."]


def _scored(summary: ScorerSummary) -> str:
    name = summary.headline.replace("_", " ")
    if summary.mean is None:
        return f"{summary.label}: no latent has a score; see the failures."
    of = f" over {summary.latents:,} {'latent' if summary.latents == 1 else 'latents'}"
    line = (
        f"{summary.label}: median {name} {number(summary.median)}, mean {number(summary.mean.estimate)} "
        f"({between(summary.mean)}){of}"
    )
    return line + (f"; {summary.without:,} have none." if summary.without else ".")


def _failed(failed: Sequence[FailureCount], answers: int) -> list[str]:
    explaining = sum(each.count for each in failed if each.stage == "explain")
    scoring = sum(each.count for each in failed if each.stage == "score")
    lines = []
    if explaining:
        lines.append(f"Not explained: {explaining:,} explanations failed; they are counted, never scored.")
    if scoring:
        share = 100 * scoring / max(1, scoring + answers)
        lines.append(
            f"Not read: {scoring:,} answers of scorers ({number(share, 1)} %) could not be had or read; they "
            "are in no figure."
        )
    return lines
