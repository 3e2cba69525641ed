"""Train a TopK SAE with AuxK (Gao et al. 2024) on any stream of activations; resumes without a trace.

Adam, linear warm-up and decay, clipped gradients, unit decoder rows. The same seed, batches, device and
number of threads give the same bits. Knows no language model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, SaesteerError, ShapeMismatch
from saesteer.saes import SAEConfig, TopKSAE
from saesteer.training.checkpoint import load_checkpoint, save_checkpoint
from saesteer.training.initial import initial_tensors
from saesteer.training.topk_step import TopKStep, TopKTensors, topk_step

Batches = Iterable[Float[Tensor, "n d_in"]] | Callable[[int], Iterable[Float[Tensor, "n d_in"]]]
CENTRES: Final = ("geometric_median", "mean")


@dataclass(frozen=True)
class TrainConfig:
    """How an SAE is trained."""

    d_sae: int
    """Number of latents."""
    k: int
    """Latents per token."""
    tokens: int
    """How many tokens to train on; the last batch may go a little over."""
    lr: float | None = None
    """Peak learning rate; None: 2e-4 / sqrt(d_sae / 2^14), the paper's law."""
    warmup_share: float = 0.01
    """Share of the tokens over which the learning rate rises from 0."""
    decay_share: float = 0.2
    """Share of the tokens, the last ones, over which it falls to 0."""
    k_aux: int | None = None
    """Dead latents per token that learn the residual; None: d_in / 2."""
    aux_coefficient: float = 1 / 32
    """Weight of that loss; 0: none."""
    dead_after_tokens: int = 500_000
    """A latent that was silent for so many tokens counts as dead."""
    clip_norm: float = 1.0
    """The longest gradient, all tensors together."""
    centre: str = "geometric_median"
    """b_dec at the start: geometric_median or mean of the first batch."""
    seed: int = 0
    """Of the first decoder rows; nothing else is drawn."""
    report_tokens: int = 100_000
    """Tokens from one record of metrics to the next."""
    checkpoint_tokens: int = 1_000_000
    """Tokens from one checkpoint to the next."""

    def __post_init__(self) -> None:
        for name in ("d_sae", "k", "tokens", "dead_after_tokens", "report_tokens", "checkpoint_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is 1 or more, got {getattr(self, name)}")
        if self.k > self.d_sae:
            raise InputError(f"k is {self.k} but d_sae is only {self.d_sae}; lower k")
        if min(self.warmup_share, self.decay_share) < 0 or self.warmup_share + self.decay_share > 1:
            raise InputError(
                f"warmup_share {self.warmup_share} and decay_share {self.decay_share} are shares of one run; "
                "they lie in 0 to 1 together"
            )
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise InputError(f"lr is over 0, got {self.lr}")
        if not (0 <= self.aux_coefficient < math.inf and self.clip_norm > 0):
            raise InputError(
                f"aux_coefficient is 0 or more and clip_norm over 0, "
                f"got {self.aux_coefficient} and {self.clip_norm}"
            )
        if self.k_aux is not None and self.k_aux < 1:
            raise InputError(f"k_aux is 1 or more, got {self.k_aux}; aux_coefficient 0 turns it off")
        if self.centre not in CENTRES:
            raise InputError(f"centre is one of {', '.join(CENTRES)}, got {self.centre!r}")

    def lr_at(self, tokens: int) -> float:
        """The learning rate for the batch that begins after so many tokens."""
        peak = self.lr if self.lr is not None else 2e-4 / (self.d_sae / 2**14) ** 0.5
        warmup, decay = self.warmup_share * self.tokens, self.decay_share * self.tokens
        rise = min(1.0, (tokens + 1) / warmup) if warmup else 1.0
        return peak * min(rise, (self.tokens - tokens) / decay if decay else 1.0)


@dataclass(frozen=True)
class TrainMetrics:
    """Where training stands; means over the tokens since the last record."""

    step: int
    tokens: int
    fvu: float
    """Fraction of variance unexplained, per batch; see evaluate.py."""
    aux: float
    """Fraction of the residual's variance that dead latents leave unexplained; 0 where none is dead."""
    l0: float
    dead: float
    """Fraction of latents silent for dead_after_tokens."""
    lr: float
    gradient_norm: float
    seconds: float
    """Time of training, over all processes that took part."""


@dataclass(frozen=True)
class TrainResult:
    """The SAE and its way there."""

    sae: TopKSAE
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
    training = _Training(config, about, device, Path(checkpoint) if checkpoint is not None else None)
    training.resume()
    if training.tokens < config.tokens:
        training.run(_after(batches, training.step), on_metrics or (lambda metrics: None))
    return TrainResult(training.sae(), tuple(training.metrics))


class _Training:
    """The state of one run."""

    p: TopKTensors
    silent: Tensor
    optimizer: torch.optim.Adam

    def __init__(
        self, config: TrainConfig, about: Mapping[str, Any], device: str, checkpoint: Path | None
    ) -> None:
        self.config, self.about, self.device, self.checkpoint = config, about, device, checkpoint
        self.identity = {**asdict(config), **about}
        self.step = self.tokens = 0
        self.factor = 1.0
        self.metrics: list[TrainMetrics] = []
        self.recent: list[tuple[float, float, float, float]] = []
        self.reported = 0

    def run(self, batches: Iterator[Tensor], on_metrics: Callable[[TrainMetrics], None]) -> None:
        earlier = self.metrics[-1].seconds if self.metrics else 0.0
        began, saved = time.monotonic() - earlier, self.tokens
        while self.tokens < self.config.tokens:
            self.one_step(self._checked(next(batches, None)))
            done = self.tokens >= self.config.tokens
            if done or self.tokens - self.reported >= self.config.report_tokens:
                self.metrics.append(self._record(time.monotonic() - began))
                on_metrics(self.metrics[-1])
            if done or self.tokens - saved >= self.config.checkpoint_tokens:
                self.save()
                saved = self.tokens

    @torch.no_grad()
    def one_step(self, x: Float[Tensor, "n d_in"]) -> None:
        """One batch; the tensors stay as they were where the loss is not finite."""
        if not self.step:
            self._begin(*initial_tensors(x, self.config.d_sae, self.config.centre, self.config.seed))
        dead = self.silent >= self.config.dead_after_tokens
        k_aux = self.config.k_aux or max(1, x.shape[1] // 2)
        result = topk_step(self.p, x * self.factor, self.config.k, dead, k_aux, self.config.aux_coefficient)
        norm = self._descend(result.gradients, result)
        self.silent += len(x)
        self.silent[result.fired] = 0
        self.step += 1
        self.tokens += len(x)
        self.recent.append((float(result.fvu), float(result.aux), float(result.l0), norm))

    def _descend(self, gradients: TopKTensors, result: TopKStep) -> float:
        """Move the tensors against the gradients; the gradients' norm before clipping."""
        along = (gradients.decoder * self.p.decoder).sum(-1, keepdim=True)
        gradients.decoder.sub_(along * self.p.decoder)  # what would only change a row's length
        tensors, slopes = self.p.named().values(), gradients.named().values()
        norm = math.sqrt(sum(float(slope.square().sum()) for slope in slopes))
        if not (math.isfinite(norm) and math.isfinite(float(result.fvu))):
            raise SaesteerError(
                f"training went astray at step {self.step}: fvu {float(result.fvu)}, gradient norm {norm}; "
                f"lower lr ({self.config.lr_at(self.tokens):.2g}) or look at the activations"
            )
        shrink = min(1.0, self.config.clip_norm / (norm + 1e-12))
        for tensor, slope in zip(tensors, slopes, strict=True):
            tensor.grad = slope.mul_(shrink)
        self.optimizer.param_groups[0]["lr"] = self.config.lr_at(self.tokens)
        self.optimizer.step()
        F.normalize(self.p.decoder, dim=-1, out=self.p.decoder)
        return norm

    def _begin(self, tensors: TopKTensors, factor: float) -> None:
        self.p, self.factor = tensors, factor
        self.silent = torch.zeros(self.config.d_sae, dtype=torch.int64, device=self.device)
        self.optimizer = torch.optim.Adam(tensors.named().values(), lr=0.0, eps=6.25e-10, fused=True)

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
        fvu, aux, l0, norm = (sum(column) / len(self.recent) for column in zip(*self.recent, strict=True))
        dead = float((self.silent >= self.config.dead_after_tokens).double().mean())
        self.recent, self.reported = [], self.tokens
        lr = self.config.lr_at(self.tokens)
        return TrainMetrics(self.step, self.tokens, fvu, aux, l0, dead, lr, norm, seconds)

    def save(self) -> None:
        """Write the checkpoint, if there is to be one."""
        if self.checkpoint is None:
            return
        moments = {
            f"{moment}.{name}": self.optimizer.state[tensor][moment]
            for name, tensor in self.p.named().items()
            for moment in ("exp_avg", "exp_avg_sq", "step")
        }
        progress = {
            "step": self.step,
            "tokens": self.tokens,
            "factor": self.factor,
            "metrics": [asdict(each) for each in self.metrics],
            "recent": self.recent,
            "reported": self.reported,
        }
        save_checkpoint(
            self.checkpoint, self.identity, progress, {**self.p.named(), **moments, "silent": self.silent}
        )

    def resume(self) -> None:
        """Take up the checkpoint, if there is one."""
        found = load_checkpoint(self.checkpoint, self.identity) if self.checkpoint is not None else None
        if found is None:
            return
        progress, tensors = found
        tensors = {name: each.to(self.device) for name, each in tensors.items()}
        names = ("encoder", "b_enc", "decoder", "b_dec")
        self._begin(TopKTensors(**{name: tensors[name] for name in names}), progress["factor"])
        for name, tensor in self.p.named().items():
            self.optimizer.state[tensor] = {
                moment: tensors[f"{moment}.{name}"] for moment in ("exp_avg", "exp_avg_sq", "step")
            }
        self.silent = tensors["silent"]
        self.step, self.tokens = progress["step"], progress["tokens"]
        self.metrics = [TrainMetrics(**each) for each in progress["metrics"]]
        self.recent = [tuple(each) for each in progress["recent"]]
        self.reported = progress["reported"]

    def sae(self) -> TopKSAE:
        """The SAE for activations as they come: the biases shrink by the factor, the rows stay."""
        cfg = SAEConfig(
            architecture="topk",
            d_in=len(self.p.b_dec),
            d_sae=self.config.d_sae,
            k=self.config.k,
            hook_name=self.about["hook_name"],
            model_name=self.about["model_name"],
            metadata={**self.about["metadata"], "training": asdict(self.config)},
        )
        tensors = {
            "W_enc": self.p.encoder.T,
            "W_dec": self.p.decoder,
            "b_enc": self.p.b_enc / self.factor,
            "b_dec": self.p.b_dec / self.factor,
        }
        return TopKSAE(cfg, {name: each.detach().clone() for name, each in tensors.items()})


def _after(batches: Batches, done: int) -> Iterator[Tensor]:
    """The batches that follow the first `done`."""
    if callable(batches):
        return iter(batches(done))
    return islice(batches, done, None)
