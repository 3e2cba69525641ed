"""A language model and its hookpoints: record and intervene, with the only hooks of the project.

Knows no SAE and no spec.
"""

from saesteer.model.families import FAMILIES, Family
from saesteer.model.generations import Generation, Generations
from saesteer.model.hooks import Edit
from saesteer.model.language_model import LanguageModel
from saesteer.model.loading import MODELS, load_model
from saesteer.model.positions import Positions
from saesteer.model.tokens import Tokens

__all__ = [
    "FAMILIES",
    "MODELS",
    "Edit",
    "Family",
    "Generation",
    "Generations",
    "LanguageModel",
    "Positions",
    "Tokens",
    "load_model",
]
