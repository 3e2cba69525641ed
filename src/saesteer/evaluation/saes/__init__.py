"""Quality of an SAE: what it loses, how its latents fire, which concepts they are, where those are absorbed.

Knows a model's and an SAE's doors and labelled texts; no concept of its own, no report.
"""

from saesteer.evaluation.saes.absorption import Absorption
from saesteer.evaluation.saes.density import Density, Spread, density_of
from saesteer.evaluation.saes.matching import ConceptMatch, Match
from saesteer.evaluation.saes.probing import ProbeScore
from saesteer.evaluation.saes.quality import sae_quality
from saesteer.evaluation.saes.result import ConceptRow, LeftOut, SAEReport

__all__ = [
    "Absorption",
    "ConceptMatch",
    "ConceptRow",
    "Density",
    "LeftOut",
    "Match",
    "ProbeScore",
    "SAEReport",
    "Spread",
    "density_of",
    "sae_quality",
]
