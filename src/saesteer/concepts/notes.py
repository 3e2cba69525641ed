"""What a ranking's numbers do not carry, in words. Knows counts and scores only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from saesteer.concepts.ranking import LatentScore
from saesteer.statistics import mann_whitney

_LEVEL = 0.05
_FEW = 20  # texts on a side below which an AUROC is coarse
_UNEVEN = 1.5  # ratio of median lengths from which a maximum tells length
_OPTIMISM = 0.05  # of the best AUROC over its held-out figure


def notes_on(
    positive: Bool[np.ndarray, " texts"],
    lengths: Int[np.ndarray, " texts"],
    scores: Sequence[LatentScore],
    level: str,
    pool: str,
    held_out: float | None,
) -> tuple[str, ...]:
    """Warnings for a reader of the ranking; none if there is nothing to warn of."""
    sides = int(positive.sum()), int((~positive).sum())
    notes = [_few(*sides), _unreachable(*sides, len(scores)), _optimism(scores[0].auroc, held_out)]
    if level == "token":
        notes.append("p compares texts by their mean activation: tokens of one text are not independent")
    elif pool == "max":
        notes.append(_uneven(positive, lengths))
    return tuple(note for note in notes if note)


def smallest_p(n_positive: int, n_negative: int) -> float:
    """The p-value of a latent that separates so many texts perfectly, without ties."""
    ranks = np.arange(1.0, n_positive + n_negative + 1)
    return float(mann_whitney(ranks, ranks > n_negative))


def texts_needed(latents: int) -> int:
    """Texts on each side from which a perfect latent is significant among so many."""
    n = 2
    while smallest_p(n, n) * latents > _LEVEL:
        n += 1
    return n


def _few(n_positive: int, n_negative: int) -> str | None:
    if min(n_positive, n_negative) >= _FEW:
        return None
    step = 1 / (n_positive * n_negative)
    return (
        f"only {n_positive} positive and {n_negative} negative texts: an AUROC moves in steps of {step:.2g} "
        "and the best of many latents looks good by chance; give 20 or more of each"
    )


def _unreachable(n_positive: int, n_negative: int, latents: int) -> str | None:
    p = smallest_p(n_positive, n_negative)
    if p * latents <= _LEVEL:
        return None
    return (
        f"even a perfect latent has p {p:.2g}, which {latents} latents raise to {min(1.0, p * latents):.2g}: "
        f"no single one can be significant; that takes {texts_needed(latents)} texts of each kind"
    )


def _uneven(positive: Bool[np.ndarray, " texts"], lengths: Int[np.ndarray, " texts"]) -> str | None:
    sides = [float(np.median(lengths[side])) for side in (positive, ~positive)]
    if max(sides) <= _UNEVEN * min(sides):
        return None
    return (
        f"positive texts have {sides[0]:.0f} tokens and negative {sides[1]:.0f} (medians): a maximum grows "
        "with length alone; even them out or use pool='mean'"
    )


def _optimism(best: float, held_out: float | None) -> str | None:
    if held_out is None or best - held_out <= _OPTIMISM:
        return None
    return f"the best AUROC, {best:.3f}, is {held_out:.3f} on texts that did not choose the latent"
