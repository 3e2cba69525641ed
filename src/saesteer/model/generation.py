"""Batched generation with a KV cache: left padding, explicit positions, one stream of luck for each row.

Rows are computed in batches of a token budget, prompts of like length together. What a row says depends on
its seed, request and sample, not on its batch, but for the last bits in which matrix products of other shapes
differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from saesteer.errors import InputError
from saesteer.model.generations import Ended
from saesteer.model.rows import Rows, rows
from saesteer.model.sampling import Sampling, choose, draws
from saesteer.model.tokens import Tokens


@dataclass(frozen=True)
class Job:
    """What to generate."""

    prompts: Sequence[Sequence[int]]
    n: int
    max_new_tokens: int
    how: Sampling
    seed: int
    stop: frozenset[int]
    batch_tokens: int

    def __post_init__(self) -> None:
        if self.n < 1 or self.max_new_tokens < 1:
            raise InputError(
                f"n and max_new_tokens are at least 1, got n={self.n}, max_new_tokens={self.max_new_tokens}"
            )


@dataclass(frozen=True)
class Row:
    """One row to be generated, and then what came of it."""

    request: int
    sample: int
    ids: tuple[int, ...] = ()
    ended: Ended = "length"


def run(hf: Any, job: Job) -> list[Row]:
    """Every row of the job, by request and then sample."""
    done = [row for batch in batches(job) for row in _Batch(hf, job, batch).run()]
    return sorted(done, key=lambda row: (row.request, row.sample))


def batches(job: Job) -> Iterator[list[Row]]:
    """Rows in batches of at most `batch_tokens` tokens, padding included; short prompts first."""
    order = sorted(range(len(job.prompts)), key=lambda request: (len(job.prompts[request]), request))
    batch: list[Row] = []
    for request in order:
        room = max(1, job.batch_tokens // (len(job.prompts[request]) + job.max_new_tokens))
        for sample in range(job.n):
            if len(batch) >= room:
                yield batch
                batch = []
            batch.append(Row(request, sample))
    if batch:
        yield batch


class _Batch:
    """One batch of the loop."""

    def __init__(self, hf: Any, job: Job, batch: list[Row]) -> None:
        self._hf, self._job, self._batch = hf, job, batch
        self._device = hf.device
        self._requests = list(dict.fromkeys(row.request for row in batch))  # in the order of their rows
        place = {request: number for number, request in enumerate(self._requests)}
        self._of = torch.tensor([place[row.request] for row in batch], device=self._device)
        request = np.array([row.request for row in batch], dtype=np.int64)
        sample = np.array([row.sample for row in batch], dtype=np.int64)
        self._draws = draws(job.seed, request, sample, job.max_new_tokens).to(self._device)
        self._rows = Rows(torch.from_numpy(request).to(self._device), len(job.prompts))
        self._stop = torch.tensor(sorted(job.stop), device=self._device)

    def run(self) -> list[Row]:
        """Generate; the rows with their ids."""
        made: list[Tensor] = []
        logits, cache, content = self._prefill()
        done = torch.zeros(len(self._batch), dtype=torch.bool, device=self._device)
        broken = done
        for step in range(self._job.max_new_tokens):
            chosen, breaks = choose(logits, self._draws[:, step], self._job.how)
            broken = broken | breaks
            made.append(torch.where(broken, -1, chosen))
            done = done | broken | self._ends(chosen)
            if step + 1 == self._job.max_new_tokens or bool(done.all()):
                break
            logits, cache = self._step(step, chosen, cache, content)
        return self._finish(torch.stack(made, 1).cpu())

    def _prefill(self) -> tuple[Tensor, Any, Int[Tensor, "rows total"] | None]:
        """Each prompt once, then its cache for every sample; the content to the end, if there is padding."""
        ids = [self._job.prompts[request] for request in self._requests]
        prompts = Tokens.of(ids, "left").to(self._device)
        padded = not bool(prompts.mask.all())
        where = {"attention_mask": prompts.mask.long(), "position_ids": prompts.positions()} if padded else {}
        with rows(Rows(torch.tensor(self._requests, device=self._device), len(self._job.prompts))):
            out = self._hf(input_ids=prompts.ids, use_cache=True, logits_to_keep=1, **where)
        cache, logits = out.past_key_values, out.logits[:, -1]
        if len(self._batch) > len(self._requests):
            cache.batch_select_indices(self._of)
            logits = logits[self._of]
        content = prompts.mask[self._of].long()
        later = (0, self._job.max_new_tokens)
        return logits, cache, torch.nn.functional.pad(content, later, value=1) if padded else None

    def _step(
        self, step: int, chosen: Tensor, cache: Any, content: Int[Tensor, "rows total"] | None
    ) -> tuple[Tensor, Any]:
        where: dict[str, Tensor] = {}
        if content is not None:
            mask = content[:, : content.shape[1] - self._job.max_new_tokens + step + 1]
            where = {"attention_mask": mask, "position_ids": mask.sum(-1, keepdim=True) - 1}
        with rows(self._rows):
            out = self._hf(
                input_ids=chosen[:, None], past_key_values=cache, use_cache=True, logits_to_keep=1, **where
            )
        return out.logits[:, -1], out.past_key_values

    def _ends(self, chosen: Int[Tensor, " rows"]) -> Bool[Tensor, " rows"]:
        return (chosen[:, None] == self._stop).any(-1)

    def _finish(self, made: Int[Tensor, "rows steps"]) -> list[Row]:
        return [_cut(row, ids, self._job.stop) for row, ids in zip(self._batch, made.tolist(), strict=True)]


def _cut(row: Row, ids: list[int], stop: frozenset[int]) -> Row:
    """The row with its tokens up to the first end token (kept) or break (-1)."""
    for place, each in enumerate(ids):
        if each in stop:
            return Row(row.request, row.sample, tuple(ids[: place + 1]), "stop")
        if each < 0:
            return Row(row.request, row.sample, tuple(ids[:place]), "broken")
    return Row(row.request, row.sample, tuple(ids))
