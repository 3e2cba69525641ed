"""Records of latents of the embedded world, from stories that are captured at once: for pages and tests.

No cache and no loader: windows of 32 tokens along each story, train and test by tenths of their maximum.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from saesteer.examples import Example, LatentId, LatentRecord
from saesteer.latents import LatentRows, capture, logit_effect
from saesteer.model import LanguageModel
from saesteer.saes import SAE
from saesteer.world.labels import labelled_stories

WINDOW = 32
TENTHS = 10


@dataclass(frozen=True, eq=False)
class Captured:
    """Stories of the world, read once."""

    lm: LanguageModel
    sae: SAE
    rows: LatentRows
    windows: Int[np.ndarray, "windows 2"]
    """Start and end of each, over content tokens."""

    def record(self, latent: int, train: int = 40, test: int = 50, silent: int = 50) -> LatentRecord:
        """Drawn by the latent's number."""
        luck = np.random.default_rng(latent)
        values = self.rows.latent(latent)
        strongest = np.array([values[start:stop].max(initial=0) for start, stop in self.windows])
        active = luck.permutation(np.flatnonzero(strongest > 0))
        shown, tested = _by_tenths(active, strongest, (train, test))
        off = luck.permutation(np.flatnonzero(strongest <= 0))[: 2 * silent]
        effect = logit_effect(self.lm, self.sae.W_dec[latent])
        return LatentRecord(
            id=LatentId(self.rows.hookpoint, latent),
            train=tuple(self._example(values, *each) for each in shown),
            test=tuple(self._example(values, *each) for each in tested),
            silent_train=tuple(self._example(values, each, None) for each in off[:silent]),
            silent_test=tuple(self._example(values, each, None) for each in off[silent:]),
            max=float(values.max()),
            density=float((values > 0).sum() / self.rows.content.sum()),
            windows=len(active),
            promoted=tuple(each.token for each in effect.promoted),
            suppressed=tuple(each.token for each in effect.suppressed),
        )

    def _example(self, values: Float[np.ndarray, " n"], window: int, tenth: int | None) -> Example:
        start, stop = self.windows[window]
        ids = self.rows.places.ids[start:stop]
        return Example(
            ids=ids,
            tokens=tuple(self.rows.strings[int(each)] for each in ids),
            activations=values[start:stop].clip(min=0),
            start=int(start),
            row=int(self.rows.places.document[start]),
            quantile=tenth,
            kind="random" if tenth is None else "active",
        )


def captured(lm: LanguageModel, sae: SAE, stories: int = 300, first: int = 0) -> Captured:
    """Stories that neither the model nor the SAE was trained on, from the number `first`."""
    rows = capture(lm, itertools.islice(labelled_stories().documents, first, first + stories), sae)
    windows = []
    for number in range(rows.n_documents):
        content = np.flatnonzero((rows.places.document == number) & rows.content)
        starts = np.arange(content[0], content[-1] + 1, WINDOW)
        windows += [(start, min(start + WINDOW, content[-1] + 1)) for start in starts]
    return Captured(lm, sae, rows, np.array(windows))


def _by_tenths(
    active: Int[np.ndarray, " m"], strongest: Float[np.ndarray, " windows"], counts: tuple[int, ...]
) -> list[list[tuple[int, int]]]:
    """As many windows from each tenth, none twice: one list of (window, tenth) per count."""
    tenths = np.array_split(active[np.argsort(strongest[active], kind="stable")], TENTHS)
    luck = np.random.default_rng(len(active))
    tenths = [luck.permutation(each) for each in tenths]
    found = []
    used = 0
    for count in counts:
        each = count // TENTHS
        found.append([(int(w), i) for i, some in enumerate(tenths) for w in some[used : used + each]])
        used += each
    return found
