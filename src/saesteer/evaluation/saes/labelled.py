"""Labelled tokens: latents, activations and what is known of each token, read once.

Knows the doors of a model and of an SAE; no measure but those that are counted on the way. Two halves of the
documents: on `train` latents, thresholds and probes are chosen, on `test` they are measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from torch import Tensor

from saesteer.errors import InputError
from saesteer.latents.labels import Labeller, Labels
from saesteer.latents.reading import SKIPPABLE, Microbatch, Reader, grouped
from saesteer.model import LanguageModel, Tokens
from saesteer.saes import SAE, SparseLatents, check_fits
from saesteer.text import Document, Row
from saesteer.training import SAEQuality
from saesteer.training.evaluate import Tally

Progress = Callable[[str, int, int | None], None]
"""A label, how much is done, of how much."""
_GROUP = 32_768  # tokens of rows among which those of like length are found


@dataclass(frozen=True, eq=False)
class Half:
    """Some of the tokens."""

    latents: sparse.csc_array
    """[tokens, d_sae], values above 0."""
    activations: Float[np.ndarray, "tokens d_out"]
    labels: Float[np.ndarray, "tokens concepts"]


@dataclass(frozen=True, eq=False)
class LabelledTokens:
    """Tokens of whole documents, BOS and other special ones left out; all arrays in one order."""

    latents: sparse.csr_array
    """[tokens, d_sae], values above 0."""
    activations: Float[np.ndarray, "tokens d_out"]
    """What the SAE should say again; of a transcoder: what it writes."""
    labels: Float[np.ndarray, "tokens concepts"]
    """From 0 to 1, NaN where unknown; a label of 0.5 or more is a yes."""
    document: Int[np.ndarray, " tokens"]
    test: Bool[np.ndarray, " tokens"]
    """The half of the documents on which nothing is chosen."""

    def half(self, test: bool) -> Half:
        """One side of the split."""
        here = self.test if test else ~self.test
        return Half(sparse.csc_array(self.latents[here]), self.activations[here], self.labels[here])


@dataclass(frozen=True, eq=False)
class Reading:
    """What one pass over the documents gives."""

    tokens: LabelledTokens
    quality: SAEQuality
    read: str
    """The hookpoint that the SAE reads, and the one that it writes: the same but for a transcoder."""
    write: str
    batches: tuple[Tokens, ...]
    """The rows as they went through the model, BOS among them."""


def hookpoints_of(lm: LanguageModel, sae: SAE, at: str | None = None) -> tuple[str, str]:
    """Where the SAE reads and writes; an error where it does not fit. `at`: in place of its own hook_name."""
    if not (at or sae.cfg.hook_name):
        raise InputError("the SAE does not say where it was trained; give the hookpoint (at=...)")
    read = lm.hookpoint(at or sae.cfg.hook_name)
    if not sae.cfg.transcodes:
        check_fits(sae, lm.width(read), lm.name, read, lm.fingerprint(), lm.hookpoint)
        return read, read
    if not sae.cfg.hook_name_out:
        raise InputError("the transcoder does not say what it writes; set hook_name_out in its config")
    write = lm.hookpoint(sae.cfg.hook_name_out)
    check_fits(sae, lm.width(read), lm.name, read, lm.fingerprint(), lm.hookpoint, use="read")
    check_fits(sae, lm.width(write), lm.name, write, lm.fingerprint(), lm.hookpoint, use="write")
    return read, write


def read_labelled(
    lm: LanguageModel,
    sae: SAE,
    documents: Iterable[Document | str],
    labeller: Labeller | None = None,
    *,
    tokens: int = 60_000,
    at: str | None = None,
    seed: int = 0,
    context: int | None = None,
    batch_tokens: int = 4096,
    progress: Progress | None = None,
) -> Reading:
    """Read documents up to about `tokens` tokens; without a labeller there are no concepts.

    Holds 4 bytes per token and coordinate, and about 8 per active latent.
    """
    if tokens < 1:
        raise InputError(f"tokens is 1 or more, got {tokens}")
    read, write = hookpoints_of(lm, sae, at)
    reader = Reader.of(lm, (read,) if read == write else (read, write), context, batch_tokens)
    labels = Labels(labeller) if labeller is not None else None
    tally, parts, batches, done = Tally(sae), [], [], 0
    rows = _within(reader.rows(documents if labels is None else labels.noting(documents)), tokens)
    for group in grouped(rows, _GROUP, whole_documents=True):
        for batch in reader.microbatches(group):
            parts.append(_part(batch, tally, labels, read, write))
            batches.append(batch.tokens)
            done += len(batch.places)
            if progress is not None:
                progress("reading", min(done, tokens), tokens)
        if labels is not None:
            labels.forget_before(group[-1].document[0])
    quality = tally.quality()
    return Reading(_joined(parts, sae.cfg.d_sae, seed), quality, read, write, tuple(batches))


def _within(rows: Iterable[Row], tokens: int) -> Iterator[Row]:
    """Rows until there are so many tokens."""
    seen = 0
    for row in rows:
        yield row
        seen += len(row)
        if seen >= tokens:
            return


@dataclass(frozen=True, eq=False)
class _Part:
    latents: sparse.csr_array
    activations: Float[np.ndarray, "n d_out"]
    labels: Float[np.ndarray, "n concepts"]
    document: Int[np.ndarray, " n"]


def _part(batch: Microbatch, tally: Tally, labels: Labels | None, read: str, write: str) -> _Part:
    keep = batch.places.without(SKIPPABLE)
    places, found = batch.places.take(keep), batch.read()
    x, y = (found[at][torch.from_numpy(keep).to(found[at].device)] for at in (read, write))
    latents = tally.add(x, None if read == write else y)
    known = np.empty((len(places), 0), np.float32) if labels is None else labels.of(places)
    return _Part(_matrix(latents), y.float().cpu().numpy(), known, places.document)


def _matrix(latents: SparseLatents) -> sparse.csr_array:
    """The active ones, as rows."""
    active: Tensor = latents.values > 0
    pointers = np.concatenate([[0], active.sum(-1).cpu().numpy().cumsum()])
    values, indices = latents.values[active].float().cpu().numpy(), latents.indices[active].cpu().numpy()
    return sparse.csr_array((values, indices.astype(np.int32), pointers), (len(active), latents.d_sae))


def _joined(parts: list[_Part], d_sae: int, seed: int) -> LabelledTokens:
    document = np.concatenate([each.document for each in parts])
    return LabelledTokens(
        sparse.csr_array(sparse.vstack([each.latents for each in parts], format="csr")),
        np.concatenate([each.activations for each in parts]),
        np.concatenate([each.labels for each in parts]),
        document,
        in_test(document, seed),
    )


def in_test(document: Int[np.ndarray, " tokens"], seed: int) -> Bool[np.ndarray, " tokens"]:
    """A random half of the documents, the smaller one where their number is odd."""
    numbers = np.random.default_rng(seed).permutation(np.unique(document))
    return np.isin(document, numbers[: math.floor(len(numbers) / 2)])
