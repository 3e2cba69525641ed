"""How an SAE is trained: what all forms share, and the form with its own settings."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from saesteer.errors import InputError
from saesteer.training.condition import Condition
from saesteer.training.forms.form import Form
from saesteer.training.forms.topk import TopK

CENTRES: Final = ("geometric_median", "mean")
NORMALISATIONS: Final = ("none", "layer_norm")
_COUNTS: Final = ("d_sae", "tokens", "dead_after_tokens", "report_tokens", "checkpoint_tokens")
_LATER: Final = {
    "form": None,
    "normalize_activations": "none",
    "condition": None,
}  # left out of records where they say nothing


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How an SAE is trained. Without a `form`, k, k_aux and aux_coefficient are those of TopK."""

    d_sae: int
    """Number of latents."""
    k: int | None = None
    """Latents per token, where no form is given."""
    tokens: int
    """How many tokens to train on; the last batch may go a little over."""
    lr: float | None = None
    """Peak learning rate; None: 2e-4 / sqrt(d_sae / 2^14), the law of Gao et al. 2024."""
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
    """Of the first decoder rows, and of resampling."""
    report_tokens: int = 100_000
    """Tokens from one record of metrics to the next."""
    checkpoint_tokens: int = 1_000_000
    """Tokens from one checkpoint to the next."""
    form: Form | None = None
    """The form of training with its settings, one of FORMS; None: TopK with k, k_aux and aux_coefficient."""
    normalize_activations: str = "none"
    """layer_norm: every token by its own mean and deviation, its error weighed by the latter (SCAR)."""
    condition: Condition | None = None
    """Concepts that the first latents learn to tell from labels (SCAR); None: none."""

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise InputError(f"{name} is 1 or more, got {getattr(self, name)}")
        if self.form is not None and self.k is not None:
            raise InputError(f"k is {self.k} and form is {self.form.name}; give k to the form alone")
        self.trained_form.check(self.d_sae)
        if self.condition is not None and len(self.condition.concepts) > self.d_sae:
            raise InputError(
                f"there are {len(self.condition.concepts)} concepts but d_sae is only {self.d_sae}; raise it"
            )
        if min(self.warmup_share, self.decay_share) < 0 or self.warmup_share + self.decay_share > 1:
            raise InputError(
                f"warmup_share {self.warmup_share} and decay_share {self.decay_share} are shares of one run; "
                "they lie in 0 to 1 together"
            )
        if self.seed < 0:
            raise InputError(f"seed is 0 or more, got {self.seed}")
        if self.lr is not None and not 0 < self.lr < math.inf:
            raise InputError(f"lr is over 0, got {self.lr}")
        if not self.clip_norm > 0:
            raise InputError(f"clip_norm over 0 is needed, got {self.clip_norm}")
        if self.centre not in CENTRES:
            raise InputError(f"centre is one of {', '.join(CENTRES)}, got {self.centre!r}")
        if self.normalize_activations not in NORMALISATIONS:
            raise InputError(
                f"normalize_activations is one of {', '.join(NORMALISATIONS)}, "
                f"got {self.normalize_activations!r}"
            )

    @property
    def trained_form(self) -> Form:
        """The form, TopK where none is named."""
        if self.form is not None:
            return self.form
        if self.k is None:
            raise InputError("k is missing; give k for TopK, or a form")
        return TopK(self.k, self.k_aux, self.aux_coefficient)

    def record(self) -> dict[str, Any]:
        """Plain values; fields that came later only where they say something, so that old records match."""
        found = {name: each for name, each in asdict(self).items() if each != _LATER.get(name, ...)}
        if self.form is not None:
            found["form"] = {"name": self.form.name, **asdict(self.form)}
        return found

    def lr_at(self, tokens: int) -> float:
        """The learning rate for the batch that begins after so many tokens."""
        peak = self.lr if self.lr is not None else 2e-4 / (self.d_sae / 2**14) ** 0.5
        warmup, decay = self.warmup_share * self.tokens, self.decay_share * self.tokens
        rise = min(1.0, (tokens + 1) / warmup) if warmup else 1.0
        return peak * max(0.0, min(rise, (self.tokens - tokens) / decay if decay else 1.0))
