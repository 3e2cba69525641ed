"""Scorers: how well does an explanation foretell what its latent does? One per file.

Knows: records, clients, for some a model. Does not know: how examples were drawn, explainers.
"""

from typing import Protocol, runtime_checkable

from saesteer.examples import Explanation, LatentRecord, Score
from saesteer.names import Registry


@runtime_checkable
class Scorer(Protocol):
    """Made with its client and settings; asked for one latent at a time, many at once."""

    name: str
    headline: str
    """Which figure `Score.value` is."""
    needs_explanation: bool
    # needs_other: bool, where a scorer has it and it is true: records hold the explanation of another latent

    async def score(self, record: LatentRecord, explanation: Explanation | None) -> Score:
        """A Score, of what could be read; a ClientError is turned into a failure."""
        ...

    def fingerprint(self) -> str:
        """Equal for scorers that would say the same: a hash of settings, prompts and client."""
        ...


SCORERS: Registry[type[Scorer]] = Registry(
    "scorer",
    {
        "detection": "saesteer.scorers.detection:Detection",
        "fuzzing": "saesteer.scorers.fuzzing:Fuzzing",
        "intruder": "saesteer.scorers.intruder:Intruder",
        "simulation": "saesteer.scorers.simulation:Simulation",
        "surprisal": "saesteer.scorers.surprisal:Surprisal",
        "embedding": "saesteer.scorers.embedding:Embedding",
        "example_embedding": "saesteer.scorers.example_embedding:ExampleEmbedding",
        "intervention": "saesteer.scorers.intervention:Intervention",
    },
    "saesteer.scorers",
)

__all__ = ["SCORERS", "Scorer"]
