"""Log-likelihoods of continuations, in batches whose padding and prompts the steering knows.

The harness's own loop hands the model padded rows without a mask, so positions could not be told. Equal rows
are computed once. Knows tokens and tensors; neither the harness nor a spec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError
from saesteer.model import Tokens

Ids = tuple[int, ...]
Answer = tuple[float, bool]
"""ln p of a continuation, and whether each of its tokens was the likeliest."""


@dataclass(frozen=True)
class Line:
    """One row to compute, and the requests that it answers."""

    ids: Ids
    prompt: int
    """How many of them are context."""
    asked: tuple[tuple[int, Ids], ...]
    """Number of a request, and its continuation, whose last token is predicted and not in `ids`. All are of
    one length, since they begin where the prompt ends.
    """


def lines_of(requests: Sequence[tuple[Sequence[int], Sequence[int]]], longest: int) -> list[Line]:
    """Rows for pairs of context and continuation, the longest first; too long ones lose their beginning."""
    found: dict[tuple[Ids, int], list[tuple[int, Ids]]] = {}
    for number, (context, continuation) in enumerate(requests):
        if not 0 < len(continuation) <= longest or not context:
            raise InputError(
                f"request {number} continues {len(context)} tokens by {len(continuation)}; "
                f"a context has 1 or more and a continuation 1 to {longest}"
            )
        ids = tuple([*context, *continuation][-(longest + 1) : -1])
        prompt = max(len(ids) - (len(continuation) - 1), 0)
        found.setdefault((ids, prompt), []).append((number, tuple(continuation)))
    made = [Line(ids, prompt, tuple(asked)) for (ids, prompt), asked in found.items()]
    return sorted(made, key=lambda each: (-len(each.ids), each.ids))


def tokens_of(lines: Sequence[Line], device: torch.device) -> tuple[Tokens, Tensor]:
    """The rows, padded at their end, and how much of each is prompt."""
    tokens = Tokens.of([list(each.ids) for each in lines], "right").to(device)
    return tokens, torch.tensor([each.prompt for each in lines], device=device)


def answers(
    lines: Sequence[Line], logits: Float[Tensor, "batch seq vocab"], dtype: torch.dtype | None = None
) -> list[tuple[int, Answer]]:
    """Each request's number and answer; `dtype`: in which the softmax is taken."""
    found = []
    for line, row in zip(lines, logits, strict=True):
        end, length = len(line.ids), len(line.asked[0][1])
        scores = torch.log_softmax(row[end - length : end], dim=-1, dtype=dtype)
        likeliest = scores.argmax(-1)
        for number, continuation in line.asked:
            target = torch.tensor(continuation, device=scores.device)
            value = scores.gather(-1, target[:, None]).sum()
            found.append((number, (float(value), bool((likeliest == target).all()))))
    return found
