"""Concepts to latents: rank the latents of an SAE by contrasting texts, with evidence. Knows no spec."""

from saesteer.concepts.contrast import evidence_of, rank_latents
from saesteer.concepts.effect import output_effect
from saesteer.concepts.ranking import Evidence, LatentScore, Ranking
from saesteer.concepts.words import by_words

__all__ = ["Evidence", "LatentScore", "Ranking", "by_words", "evidence_of", "output_effect", "rank_latents"]
