"""How examples are drawn: numbers and names, so that they can be recorded. Knows no cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from saesteer.errors import InputError
from saesteer.names import Registry

_LEAST: Final = {
    "length": 1,
    "train": 0,
    "test": 0,
    "quantiles": 1,
    "negatives": 0,
    "silent_train": 0,
    "neighbours": 1,
    "min_windows": 1,
    "embedded": 1,
    "seed": 0,
}
_PARTS: Final = 1000
"""More quantiles than windows say nothing, and each takes memory."""


@dataclass(frozen=True, kw_only=True)
class ExampleSettings:
    """Of a Loader. Where a latent has fewer windows than train + test, both get their share of them."""

    length: int = 32
    """Tokens of a window."""
    form: str = "tiled"
    """Of WINDOWS."""
    train: int = 40
    """Active windows for the explainer."""
    test: int = 50
    """Active windows for the scorer; none of them is among those of the explainer."""
    quantiles: int = 10
    """Parts of equal count by which windows are numbered, from 0, the weakest."""
    train_sampler: str = "quantiles"
    """Of SAMPLERS."""
    test_sampler: str = "quantiles"
    negatives: int = 50
    """Silent windows for the scorer."""
    silent_train: int = 40
    """Silent windows for explainers that compare; none of them is among those of the scorer."""
    negative_source: str = "random"
    """Of NEGATIVES."""
    neighbours: int = 10
    """Similar latents from which "neighbours" takes windows."""
    similarity: str = "jaccard"
    """Of SIMILARITIES."""
    embedder: str = "minilm"
    """Of the embeddings' EMBEDDERS, for "semantic"."""
    embedded: int = 20_000
    """Windows of the cache that "semantic" embeds and chooses from, at most."""
    min_windows: int = 200
    """A latent that is active in fewer is skipped."""
    max_windows: int | None = None
    """Only so many of the strongest windows are drawn from, and numbered by quantiles; None: all."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} of examples is a whole number from {least}, got {value!r}; mend it")
        if self.quantiles > _PARTS:
            raise InputError(f"quantiles of examples are at most {_PARTS:,}, got {self.quantiles}; lower it")
        if not self.train + self.test:
            raise InputError("train and test of examples are both 0; ask for some windows")
        if self.max_windows is not None and self.max_windows < max(self.min_windows, self.train + self.test):
            raise InputError(
                f"max_windows {self.max_windows} is less than min_windows {self.min_windows} or than train "
                f"{self.train} and test {self.test} need; raise it"
            )


PRESETS: Registry[ExampleSettings] = Registry(
    "preset of examples",
    {
        "reference": ExampleSettings(),
        "article": ExampleSettings(test=100, negatives=100, test_sampler="even", max_windows=10_000),
    },
)
"""`reference`: the defaults of the published library; `article`: those of arXiv 2410.13928."""
