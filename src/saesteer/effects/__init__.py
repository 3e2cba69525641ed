"""Effects: what adding a vector to a model does to the activations of an SAE's latents (SAE-TS).

Knows models, SAEs and specs; no concept, no method, no judge.
"""

from saesteer.effects.accuracy import Accuracy, accuracy
from saesteer.effects.approximator import Approximator
from saesteer.effects.chunk import Chunk
from saesteer.effects.descent import Descent, fit_by_descent
from saesteer.effects.directions import Directions, decoder_rows, gaussian, given_vectors, joined, mixtures
from saesteer.effects.fit import fit, fit_parts
from saesteer.effects.measure import measure_effects
from saesteer.effects.moments import Moments
from saesteer.effects.needs import Need, needs_of
from saesteer.effects.parts import Parts, Split, gather
from saesteer.effects.rotation import rotated_vector, rotation_matrix
from saesteer.effects.run import EffectsRun, Line
from saesteer.effects.settings import OPENERS, Scaling, Settings, settings_of
from saesteer.effects.sources import find_source, load_approximator, open_effects
from saesteer.effects.strongest import bias_diagnostics, causes, strongest
from saesteer.effects.targets import (
    bias_direction,
    penalised_vector,
    pseudo_inverse_vector,
    targeted_vector,
)
from saesteer.effects.tasks import Task, read_task, read_tasks
from saesteer.effects.workers import Workers, one_process, processes

__all__ = [
    "OPENERS",
    "Accuracy",
    "Approximator",
    "Chunk",
    "Descent",
    "Directions",
    "EffectsRun",
    "Line",
    "Moments",
    "Need",
    "Parts",
    "Scaling",
    "Settings",
    "Split",
    "Task",
    "Workers",
    "accuracy",
    "bias_diagnostics",
    "bias_direction",
    "causes",
    "decoder_rows",
    "find_source",
    "fit",
    "fit_by_descent",
    "fit_parts",
    "gather",
    "gaussian",
    "given_vectors",
    "joined",
    "load_approximator",
    "measure_effects",
    "mixtures",
    "needs_of",
    "one_process",
    "open_effects",
    "penalised_vector",
    "processes",
    "pseudo_inverse_vector",
    "read_task",
    "read_tasks",
    "rotated_vector",
    "rotation_matrix",
    "settings_of",
    "strongest",
    "targeted_vector",
]
