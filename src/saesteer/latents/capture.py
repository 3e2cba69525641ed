"""Capture: texts through a model and an SAE to sparse latents per token. Knows their doors only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from saesteer.errors import InputError
from saesteer.latents.reading import Block, Places, Reader, grouped, token_strings
from saesteer.latents.rows import LatentRows
from saesteer.model import LanguageModel
from saesteer.saes import SAE, check_fits
from saesteer.text import Document, Row


def capture(
    lm: LanguageModel,
    texts: Iterable[Document | str],
    sae: SAE,
    at: str | None = None,
    *,
    context: int | None = None,
    batch_tokens: int = 4096,
) -> LatentRows:
    """The active latents of every token of `texts`, in order. `at`: None for the SAE's own hookpoint.

    Costs about 8 bytes per active latent; for texts without end there is `capture_stream`.
    """
    parts = list(capture_stream(lm, texts, sae, at, context=context, batch_tokens=batch_tokens))
    if not parts:
        raise InputError("there are no texts to read; give at least one")
    return LatentRows.join(parts)


def capture_stream(
    lm: LanguageModel,
    texts: Iterable[Document | str],
    sae: SAE,
    at: str | None = None,
    *,
    context: int | None = None,
    batch_tokens: int = 4096,
    part_tokens: int = 32_768,
) -> Iterator[LatentRows]:
    """The same in parts of whole documents and about `part_tokens`; document numbers go on."""
    hookpoint = hookpoint_of(lm, sae, at)
    reader = Reader.of(lm, hookpoint, context, batch_tokens)
    for group in grouped(reader.rows(texts), part_tokens, whole_documents=True):
        yield _part(reader, group, sae)


def hookpoint_of(lm: LanguageModel, sae: SAE, at: str | None) -> str:
    """The canonical hookpoint where `sae` reads `lm`; an error where they do not fit (see check_fits)."""
    if not (at or sae.cfg.hook_name):
        raise InputError("the SAE does not say where it was trained; give the hookpoint (at=...)")
    hookpoint = lm.hookpoint(at or sae.cfg.hook_name)
    check_fits(sae, lm.width(hookpoint), lm.name, hookpoint, lm.fingerprint(), lm.hookpoint, use="read")
    return hookpoint


def _part(reader: Reader, group: Sequence[Row], sae: SAE) -> LatentRows:
    blocks = [_sparse(block, reader.at[0], sae) for block in reader.blocks(group)]
    order = np.argsort(np.concatenate([block.order for block, *_ in blocks]), kind="stable")
    places = Places.join([block.places for block, *_ in blocks]).take(order)
    counts = np.concatenate([counts for _, counts, _, _ in blocks])
    indptr, entries = _reordered(counts, order)
    return LatentRows(
        indptr,
        np.concatenate([indices for _, _, indices, _ in blocks])[entries],
        np.concatenate([values for _, _, _, values in blocks])[entries],
        sae.cfg.d_sae,
        group[-1].document[-1] + 1,
        places,
        token_strings(reader.lm, np.unique(places.ids)),
        reader.at[0],
    )


@torch.no_grad()
def _sparse(
    block: Block, at: str, sae: SAE
) -> tuple[Block, Int[np.ndarray, " n"], Int[np.ndarray, " nnz"], Float[np.ndarray, " nnz"]]:
    """The block without its activations; active latents per token, and all of them in a row."""
    latents = sae.encode_sparse(block.activations[at].to(sae.W_enc.device))
    indices, values = _sorted(latents.indices, latents.values.float())
    active = values != 0  # tanh and identity have latents under 0
    counts = active.sum(-1).cpu().numpy()
    light = Block({}, block.places, block.order)
    return light, counts, indices[active].int().cpu().numpy(), values[active].cpu().numpy()


def _sorted(indices: Int[Tensor, "n k"], values: Float[Tensor, "n k"]) -> tuple[Tensor, Tensor]:
    """Each token's latents in ascending order, for rows that do not depend on how they were chosen."""
    indices, order = indices.sort(-1)
    return indices, values.gather(-1, order)


def _reordered(
    counts: Int[np.ndarray, " n"], order: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n1"], Int[np.ndarray, " nnz"]]:
    """Row pointers after sorting rows by `order`, and which entry goes to each place."""
    starts = np.cumsum(counts) - counts
    indptr = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts[order])])
    shift = np.repeat(starts[order] - indptr[:-1], counts[order])
    return indptr, np.arange(indptr[-1]) + shift
