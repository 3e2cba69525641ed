"""Concepts to latents: ranked by contrast, scored for a topic, used as detectors, tried alone. No spec."""

from saesteer.concepts.alignment import score_intervals, topic_scores
from saesteer.concepts.alignment_scores import AlignedLatent, AlignmentScores, Home
from saesteer.concepts.choosers import CHOOSERS, Chooser
from saesteer.concepts.choosing import Choice, choose_latents, conditioned_concepts, conditioned_latent
from saesteer.concepts.combined import combined
from saesteer.concepts.contrast import contrast_of, evidence_of, rank_latents
from saesteer.concepts.detection import Detection, calibrate, detect, measured
from saesteer.concepts.detector import Detector
from saesteer.concepts.effect import output_effect
from saesteer.concepts.isolation import Isolation, isolate, isolation, mean_latents
from saesteer.concepts.lift import text_lift
from saesteer.concepts.neutral import neutral_prompts
from saesteer.concepts.output_score import OutputScores, output_scores
from saesteer.concepts.ranking import Evidence, LatentScore, Ranking
from saesteer.concepts.separation import Separation, separation
from saesteer.concepts.shortlist import Candidate, Shortlist
from saesteer.concepts.supervised import supervised
from saesteer.concepts.thresholds import Goal, threshold_for
from saesteer.concepts.topics import REFERENCES, align_topic, contrast_topic
from saesteer.concepts.trust import Power, Verdict
from saesteer.concepts.words import by_words

__all__ = [
    "CHOOSERS",
    "REFERENCES",
    "AlignedLatent",
    "AlignmentScores",
    "Candidate",
    "Choice",
    "Chooser",
    "Detection",
    "Detector",
    "Evidence",
    "Goal",
    "Home",
    "Isolation",
    "LatentScore",
    "OutputScores",
    "Power",
    "Ranking",
    "Separation",
    "Shortlist",
    "Verdict",
    "align_topic",
    "by_words",
    "calibrate",
    "choose_latents",
    "combined",
    "conditioned_concepts",
    "conditioned_latent",
    "contrast_of",
    "contrast_topic",
    "detect",
    "evidence_of",
    "isolate",
    "isolation",
    "mean_latents",
    "measured",
    "neutral_prompts",
    "output_effect",
    "output_scores",
    "rank_latents",
    "score_intervals",
    "separation",
    "supervised",
    "text_lift",
    "threshold_for",
    "topic_scores",
]
