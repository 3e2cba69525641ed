"""How surprising a base model finds texts behind other texts. Knows tokens; no explanation, no latent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from saesteer.errors import InputError
from saesteer.model import LanguageModel

_ROWS = 64


def nats_behind(
    lm: LanguageModel, before: Sequence[str], texts: Sequence[str]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """-ln p of each text behind what stands before it, summed over its tokens; and how many those are.

    Where the tokenizer merges letters across the seam, the text begins at the first token that is not of
    what stands before alone. Without anything before it, its first token counts where there is a BOS.
    """
    if not len(before) == len(texts):
        raise InputError(f"{len(texts)} texts stand behind {len(before)} others; give one each")
    order = np.argsort(
        [len(one) + len(other) for one, other in zip(before, texts, strict=True)], kind="stable"
    )
    nats, counts = np.zeros(len(texts)), np.zeros(len(texts))
    for first in range(0, len(order), _ROWS):
        part = order[first : first + _ROWS]
        nats[part], counts[part] = _measured(lm, [before[i] for i in part], [texts[i] for i in part])
    return nats, counts


def _measured(
    lm: LanguageModel, before: Sequence[str], texts: Sequence[str]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    whole = lm.tokenize([a + b for a, b in zip(before, texts, strict=True)], max_length=lm.max_positions)
    if whole.ids.shape[1] < 2:
        return np.zeros(len(texts)), np.zeros(len(texts))
    unlike = sorted({*before})
    alone = lm.tokenize(unlike, max_length=lm.max_positions)
    rows = {text: alone.ids[i][alone.mask[i]].tolist() for i, text in enumerate(unlike)}
    loss = lm.nll(whole).double().cpu().numpy()
    nats, counts = np.zeros(len(texts)), np.zeros(len(texts))
    for i, text in enumerate(before):
        ids = whole.ids[i][whole.mask[i]].tolist()
        start = max(1, _shared(ids, rows[text]))
        nats[i], counts[i] = loss[i, start - 1 : len(ids) - 1].sum(), max(0, len(ids) - start)
    return nats, counts


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
