"""Train one SAE of any form on any stream of activations; resumes without a trace.

Adam, linear warm-up and decay, clipped gradients. The same seed, batches, device and number of threads give
the same bits. Knows no language model. Several SAEs on one stream: group.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, SaesteerError, ShapeMismatch
from saesteer.saes import ARCHITECTURES, SAE, SAEConfig
from saesteer.training.checkpoint import load_checkpoint, save_checkpoint
from saesteer.training.config import TrainConfig
from saesteer.training.descent import Descent
from saesteer.training.forms.form import Now, Step
from saesteer.training.initial import initial_tensors
from saesteer.training.metrics import TrainMetrics
from saesteer.training.normalise import layer_norm
from saesteer.training.resample import resample
from saesteer.training.tensors import Tensors
from saesteer.training.workers import ALONE, Workers

Batches = Iterable[Float[Tensor, "n d_in"]] | Callable[[int], Iterable[Float[Tensor, "n d_in"]]]
BEST: Final = "best"
_LEAST_RATE: Final = 0.01  # of the running mean of the least pre-activation kept


@dataclass(frozen=True)
class TrainResult:
    """The SAE and its way there."""

    sae: SAE
    metrics: tuple[TrainMetrics, ...]


def train_sae(
    batches: Batches,
    config: TrainConfig,
    checkpoint: str | Path | None = None,
    on_metrics: Callable[[TrainMetrics], None] | None = None,
    device: str = "cpu",
    hook_name: str = "",
    model_name: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Train until `config.tokens`.

    `batches`: an iterable, or a function from the number of batches that are done to those that follow, for
    resuming without making them again. `checkpoint`: a file to resume from and to write now and then; killing
    the process costs no more than what came after the last one. `metadata` goes into the SAE's config.
    """
    about = {"hook_name": hook_name, "model_name": model_name, "metadata": dict(metadata or {})}
    trainer = Trainer(config, about, device, Path(checkpoint) if checkpoint is not None else None)
    trainer.resume()
    if not trainer.done:
        stream = _after(batches, trainer.step)
        while not trainer.done:
            metrics = trainer.take(next(stream, None))
            if metrics is not None and on_metrics is not None:
                on_metrics(metrics)
    return trainer.result()


class Trainer:
    """The state of one SAE's run, which a caller feeds batch by batch."""

    p: Tensors
    silent: Tensor
    descent: Descent

    def __init__(
        self,
        config: TrainConfig,
        about: Mapping[str, Any],
        device: str = "cpu",
        checkpoint: Path | None = None,
        folder: Path | None = None,
        workers: Workers = ALONE,
        stream: Mapping[str, Any] | None = None,
    ) -> None:
        """`folder`: for the SAE as it is at each checkpoint; in `best` below it the one of the stretch
        between two checkpoints with the least loss so far. `stream`: what else makes the run itself.
        """
        self.config, self.about, self.device, self.checkpoint = config, about, device, checkpoint
        self.form, self.folder, self.workers = config.trained_form, folder, workers
        self.identity = {**config.record(), **about, **(stream or {})}
        self.step = self.tokens = self.saved = 0
        self.factor, self.least, self.best_loss = 1.0, math.nan, math.inf
        self.metrics: list[TrainMetrics] = []
        self.recent: list[tuple[float, ...]] = []
        self.stretch: list[float] = []
        self.reported = 0
        self.began: float | None = None

    @property
    def done(self) -> bool:
        return self.tokens >= self.config.tokens

    def result(self) -> TrainResult:
        """What there is so far."""
        return TrainResult(self.sae(), tuple(self.metrics))

    def take(self, x: Tensor | None, labels: Tensor | None = None) -> TrainMetrics | None:
        """Train on one batch; a record where one is due. None: the activations ended too early."""
        if self.began is None:
            self.began = time.monotonic() - (self.metrics[-1].seconds if self.metrics else 0.0)
        self.one_step(self._checked(x), labels)
        record = None
        if self.done or self.tokens - self.reported >= self.config.report_tokens:
            record = self._record(time.monotonic() - self.began)
            self.metrics.append(record)
        if self.done or self.tokens - self.saved >= self.config.checkpoint_tokens:
            self.saved = self.tokens
            self.save()
        return record

    @torch.no_grad()
    def one_step(self, x: Float[Tensor, "n d_in"], labels: Tensor | None = None) -> None:
        """One batch; the tensors stay as they were where the loss is not finite."""
        weights = None
        if self.config.normalize_activations == "layer_norm":
            x, weights = layer_norm(x)
        if not self.step:
            self._start(x)
        if self.factor != 1:
            x = x * self.factor
        done = min(1.0, self.tokens / self.config.tokens)
        now = Now(self.dead(), done, weights, self.workers.deviation)
        result = self.form.step(self.p, x, now)
        condition = x.new_zeros(())
        if self.config.condition is not None:
            condition = self.config.condition.add(result.gradients, self.p, x, labels, self.workers)
        figures = self._together(result, condition)
        norm = self._descend(result.gradients, figures[0])
        self._after_step(result, len(x) * self.workers.size)
        fvu, aux, l0, loss, entropy = figures
        self.recent.append((fvu, aux, l0, norm, loss, entropy))
        self.stretch.append(loss + self._condition_weight * entropy)
        self._resample(x)

    @property
    def _condition_weight(self) -> float:
        return self.config.condition.weight if self.config.condition is not None else 0.0

    def dead(self) -> Tensor:
        """Latents that count as dead."""
        return self.silent >= self.config.dead_after_tokens

    def _start(self, x: Float[Tensor, "n d_in"]) -> None:
        first = self.workers.whole(x)
        tensors, factor = initial_tensors(first, self.config.d_sae, self.config.centre, self.config.seed)
        if self.config.normalize_activations != "none":
            tensors, factor = Tensors(**tensors.named() | {"b_dec": tensors.b_dec / factor}), 1.0
        self._begin(self.form.start(tensors), factor)

    def _together(self, result: Step, condition: Tensor) -> list[float]:
        """Sum gradients and figures over all processes, in place; fvu, aux, l0, loss, condition."""
        figures = [result.fvu, result.aux, result.l0 / self.workers.size, result.loss, condition]
        if self.workers.size == 1:
            return [float(each) for each in figures]
        summed = torch.stack([each.double() for each in figures])
        self.workers.add_up([summed, *result.gradients.named().values()])
        return summed.tolist()

    def _descend(self, gradients: Tensors, fvu: float) -> float:
        """Move the tensors against the gradients; the gradients' norm before clipping."""
        norm = self.descent.norm(gradients)
        lr = self.config.lr_at(self.tokens)
        if not (math.isfinite(norm) and math.isfinite(fvu)):
            raise SaesteerError(
                f"training went astray at step {self.step}: fvu {fvu}, gradient norm {norm}; "
                f"lower lr ({lr:.2g}) or look at the activations"
            )
        self.descent.move(gradients, norm, lr)
        return norm

    def _after_step(self, result: Step, tokens: int) -> None:
        self.silent += tokens
        self.silent[self.workers.any(result.fired)] = 0
        if self.form.keeps_least:
            self._note_least(result.least)
        self.step += 1
        self.tokens += tokens

    def _note_least(self, least: Tensor | None) -> None:
        """Into the running mean; a process that kept nothing has no say, but takes part in the sum."""
        held = [0.0, 0.0] if least is None else [float(least), 1.0]
        summed = torch.tensor(held, dtype=torch.float64, device=self.device)
        self.workers.add_up([summed])
        total, count = summed.tolist()
        if not count:
            return
        rate = 1.0 if math.isnan(self.least) else max(_LEAST_RATE, 1 / (self.step + 1))
        before = 0.0 if math.isnan(self.least) else self.least
        self.least = before + rate * (total / count - before)

    def _resample(self, x: Float[Tensor, "n d_in"]) -> None:
        """Let dead latents begin anew, where the form wants it and the time has come."""
        every = self.form.resample_tokens
        before = self.tokens - len(x) * self.workers.size
        if every is None or self.tokens > self.config.tokens // 2 or self.tokens // every == before // every:
            return
        dead = self.dead()
        if self.config.condition is not None:
            dead[: len(self.config.condition.concepts)] = False  # they have their concepts to learn
        seed = int(np.random.SeedSequence([self.config.seed, self.step]).generate_state(1)[0])
        ids = resample(self.p, self.workers.whole(x), dead, seed)
        self.workers.agree(self.p.named().values())
        self.descent.forget(ids)
        self.silent[ids] = 0

    def _begin(self, tensors: Tensors, factor: float) -> None:
        self.p, self.factor = tensors, factor
        self.silent = torch.zeros(self.config.d_sae, dtype=torch.int64, device=self.device)
        self.descent = Descent(tensors, self.form.unit_decoder, self.config.clip_norm)

    def _checked(self, x: Tensor | None) -> Float[Tensor, "n d_in"]:
        if x is None:
            raise InputError(
                f"the activations ended after {self.tokens} of {self.config.tokens} tokens; "
                "lower tokens or repeat the source"
            )
        if x.ndim != 2 or len(x) < 2 or (self.step and x.shape[1] != self.p.b_dec.shape[0]):
            raise ShapeMismatch(
                f"batch {self.step} is {list(x.shape)}; "
                "batches are [tokens, d_in], of 2 tokens or more and one width"
            )
        x = x.to(self.device, torch.float32)
        if not bool(x.isfinite().all()):
            raise InputError(f"batch {self.step} holds values that are not finite; check the source")
        return x

    def _record(self, seconds: float) -> TrainMetrics:
        fvu, aux, l0, norm, loss, condition = (
            sum(column) / len(self.recent) for column in zip(*self.recent, strict=True)
        )
        dead = float(self.dead().double().mean())
        self.recent, self.reported = [], self.tokens
        lr = self.config.lr_at(self.tokens)
        return TrainMetrics(self.step, self.tokens, fvu, aux, l0, dead, lr, norm, seconds, loss, condition)

    def save(self) -> None:
        """Write the best SAE, if this stretch was, and the checkpoint, if there are to be any."""
        loss = sum(self.stretch) / max(1, len(self.stretch))
        self.stretch = []
        better = loss < self.best_loss
        self.best_loss = min(loss, self.best_loss)
        if not self.workers.first:
            return
        if self.folder is not None:
            sae = self.sae()
            sae.save(self.folder)
            if better:
                sae.save(self.folder / BEST)
        if self.checkpoint is None:
            return
        progress = {
            "step": self.step,
            "tokens": self.tokens,
            "factor": self.factor,
            "metrics": [asdict(each) for each in self.metrics],
            "recent": self.recent,
            "reported": self.reported,
            "least": self.least,
            "best_loss": self.best_loss,
        }
        tensors = {**self.p.named(), **self.descent.state(), "silent": self.silent}
        save_checkpoint(self.checkpoint, self.identity, progress, tensors)

    def resume(self) -> None:
        """Take up the checkpoint, if there is one."""
        found = load_checkpoint(self.checkpoint, self.identity) if self.checkpoint is not None else None
        if found is None:
            return
        progress, tensors = found
        tensors = {name: each.to(self.device) for name, each in tensors.items()}
        state = {name: each for name, each in tensors.items() if "." not in name and name != "silent"}
        base = Tensors(*(state[name] for name in ("encoder", "b_enc", "decoder", "b_dec")))
        self._begin(type(self.form.start(base))(**state), progress["factor"])
        self.descent.restore(tensors)
        self.silent = tensors["silent"]
        self.step, self.tokens, self.saved = progress["step"], progress["tokens"], progress["tokens"]
        self.metrics = [TrainMetrics(**each) for each in progress["metrics"]]
        self.recent = [tuple(each) for each in progress["recent"]]
        self.reported, self.least = progress["reported"], progress["least"]
        self.best_loss = progress["best_loss"]

    def sae(self) -> SAE:
        """The SAE for activations as they come."""
        found = self.form.inference(self.p, self.factor, self.least)
        cfg = SAEConfig(
            architecture=found.architecture,
            d_in=len(self.p.b_dec),
            d_sae=self.config.d_sae,
            k=found.k,
            hook_name=self.about["hook_name"],
            model_name=self.about["model_name"],
            normalize_activations=self.config.normalize_activations,
            metadata={
                **self.about["metadata"],
                "training": self.config.record(),
                "trained_tokens": self.tokens,
            },
        )
        tensors = {name: each.detach().clone() for name, each in found.tensors.items()}
        return ARCHITECTURES.get(found.architecture)(cfg, tensors)


def _after(batches: Batches, done: int) -> Iterator[Tensor]:
    """The batches that follow the first `done`."""
    if callable(batches):
        return iter(batches(done))
    return islice(batches, done, None)
