"""Concepts to latents: rank the latents of an SAE by contrasting texts, with evidence. Knows no spec."""

from saesteer.concepts.contrast import evidence_of, rank_latents
from saesteer.concepts.ranking import Evidence, LatentScore, Ranking

__all__ = ["Evidence", "LatentScore", "Ranking", "evidence_of", "rank_latents"]
