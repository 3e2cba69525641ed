"""Concepts to latents: ranked by contrasting texts, used as detectors, tried for isolation. No spec."""

from saesteer.concepts.choosing import Choice, choose_latents, conditioned_concepts
from saesteer.concepts.contrast import evidence_of, rank_latents
from saesteer.concepts.detection import Detection, calibrate, detect, measured
from saesteer.concepts.detector import Detector
from saesteer.concepts.effect import output_effect
from saesteer.concepts.isolation import Isolation, isolate, isolation, mean_latents
from saesteer.concepts.ranking import Evidence, LatentScore, Ranking
from saesteer.concepts.separation import Separation, separation
from saesteer.concepts.thresholds import Goal, threshold_for
from saesteer.concepts.words import by_words

__all__ = [
    "Choice",
    "Detection",
    "Detector",
    "Evidence",
    "Goal",
    "Isolation",
    "LatentScore",
    "Ranking",
    "Separation",
    "by_words",
    "calibrate",
    "choose_latents",
    "conditioned_concepts",
    "detect",
    "evidence_of",
    "isolate",
    "isolation",
    "mean_latents",
    "measured",
    "output_effect",
    "rank_latents",
    "separation",
    "threshold_for",
]
