"""The latent behind a chosen setting: how well it tells the concept, where it is active, what it writes.

Kept beside the samples as a ranking of one latent, and read from there for the report.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from saesteer.concepts import Ranking
from saesteer.concepts.contrast import contrast_of
from saesteer.errors import InputError
from saesteer.methods.calling import takes
from saesteer.pipeline.experiment.planning import Cell
from saesteer.pipeline.experiment.setup import Setup
from saesteer.report import Context, LatentEvidence
from saesteer.runs import contained
from saesteer.steering import SteeringSpec

LATENT: Final = "latent.parquet"


def keep_latent(setup: Setup, cell: Cell, spec: SteeringSpec | None) -> str | None:
    """The source of the SAE whose latent was written down; None where the spec is not of one latent.

    A spec from a file may be of any SAE, and a task without texts says nothing of a latent: None too.
    """
    method = cell.method
    latents = spec.provenance.get("latents") if spec is not None else None
    if not latents or len(latents) > 1 or method.method is None or not takes(method.function, "sae"):
        return None
    choice = setup.sae_for(method, cell.subject)
    if choice is None:
        return None
    try:
        found = contrast_of(
            setup.lm, setup.sae(choice.source), cell.subject.concept, latents[0][0], choice.at
        )
    except InputError:  # too few texts to contrast (a task may have none): no fault of a setting that works
        return None
    found.save(setup.out / cell.folder / LATENT)
    return choice.source


def latent_behind(root: Path, folder: str, source: str) -> LatentEvidence:
    """What was kept of the latent of a cell; CorruptFile where it was changed."""
    path = f"{folder}/{LATENT}"
    ranking = Ranking.load(contained(root, path))
    score, shown = ranking.best, ranking.evidence[0]
    positives = ranking.summary["texts"][0]
    return LatentEvidence(
        sae=source,
        latent=score.latent,
        auroc=score.auroc,
        rows=path,
        token_auroc=ranking.summary["token_auroc"],
        effect_size=score.cohens_d,
        positive_rate=score.rate_positive,
        negative_rate=score.rate_negative,
        contexts=tuple(Context(c.tokens, c.activations, c.document < positives) for c in shown.contexts),
        promoted=tuple((effect.token, effect.effect) for effect in shown.promoted),
        suppressed=tuple((effect.token, effect.effect) for effect in shown.suppressed),
    )
