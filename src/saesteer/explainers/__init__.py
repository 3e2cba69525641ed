"""Explainers: what does a latent stand for, in words? One per file.

Knows: records, clients. Does not know: how examples were drawn, scorers.
"""

from typing import Protocol, runtime_checkable

from saesteer.examples import Explanation, LatentRecord
from saesteer.names import Registry


@runtime_checkable
class Explainer(Protocol):
    """Made with its client and settings; asked for one latent at a time, many at once."""

    name: str

    async def explain(self, record: LatentRecord) -> Explanation:
        """An Explanation with text or with a failure; a ClientError is turned into a failure."""
        ...

    def fingerprint(self) -> str:
        """Equal for explainers that would say the same: a hash of settings, prompts and client."""
        ...


EXPLAINERS: Registry[type[Explainer]] = Registry(
    "explainer",
    {
        "token_statistics": "saesteer.explainers.token_statistics:TokenStatistics",
        "default": "saesteer.explainers.default:Default",
        "single_token": "saesteer.explainers.single_token:SingleToken",
        "contrastive": "saesteer.explainers.contrastive:Contrastive",
        "no_op": "saesteer.explainers.no_op:NoOp",
        "folder": "saesteer.explainers.folder:FromFolder",
        "random": "saesteer.explainers.random_other:RandomOther",
        "best_of": "saesteer.explainers.best_of:BestOf",
    },
    "saesteer.explainers",
)

__all__ = ["EXPLAINERS", "Explainer"]
