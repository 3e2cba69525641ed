"""A handle on an SAE that stays in a model between calls: set its fields, then generate as always.

    hook = attach(lm, sae)
    hook.mod_features, hook.mod_scaling = 0, -100.0
    lm.hf.generate(**inputs)            # or lm.generate([...])
    hook.mod_features = None            # the plain model, bit by bit

As on SCAR's model card (arXiv 2411.07122): where feature f is active, h_f becomes mod_scaling |h_f|.
Knows models and SAEs; what it does can be written as a spec too, and is then saved, shared and swept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.errors import InputError, ShapeMismatch
from saesteer.model import LanguageModel, Positions
from saesteer.saes import SAE, check_fits
from saesteer.steering.operations import edit_latents
from saesteer.steering.where import Where

EVERYWHERE: Final = Where(skip=())
Numbers = float | Sequence[float]


def attach(
    lm: LanguageModel,
    sae: SAE,
    at: str | None = None,
    keep_error: bool = False,
    where: Where = EVERYWHERE,
    force: bool = False,
) -> FeatureHook:
    """Put the SAE at its hookpoint (or `at`); nothing changes until a field of the handle is set.

    It holds in this thread and context until `remove()`, or to the end of a `with` block. `keep_error`: add
    the change alone to the activation, not the reconstruction with the change in its place. `where`: every
    position as on the model card; Where() leaves out BOS, on which few SAEs are trained. `force`: an SAE of
    another hookpoint or model too.
    """
    hookpoint = lm.hookpoint(at or sae.cfg.hook_name)
    if force:
        check_fits(sae, lm.width(hookpoint))
    else:
        check_fits(sae, lm.width(hookpoint), lm.name, hookpoint, lm.fingerprint(), lm.hookpoint)
    if sae.W_dec.device != lm.device:
        raise InputError(f"the SAE is on {sae.W_dec.device} and the model on {lm.device}; move one")
    return FeatureHook(lm, sae, hookpoint, keep_error, where)


@dataclass(frozen=True, eq=False)
class _Change:
    """What the fields ask for, as tensors."""

    ids: Tensor
    values: Float[Tensor, " n"]
    threshold: float
    replaces: bool
    vector: Float[Tensor, " d"] | None

    def __call__(self, z: Tensor, values: Tensor, strength: float | Tensor) -> Tensor:
        new = values.expand_as(z) if self.replaces else values * z.abs()
        return torch.where(z > self.threshold, new, z) if self.threshold > -math.inf else new


class FeatureHook:
    """The edit itself: its fields may be set at any time, and the next call of the model heeds them.

    A field that cannot be used raises where it is set, and keeps what it was.
    """

    def __init__(self, lm: LanguageModel, sae: SAE, hookpoint: str, keep_error: bool, where: Where) -> None:
        self.hookpoint, self.sae, self.keep_error, self.where = hookpoint, sae, keep_error, where
        self._features: int | tuple[int, ...] | None = None
        self._scaling: Numbers = 1.0
        self._replacement: Numbers | None = None
        self._threshold: float | None = None
        self._vector: Tensor | None = None
        self._change: _Change | None = None
        self._stack = ExitStack()
        self._stack.enter_context(lm.intervening([self]))

    @property
    def mod_features(self) -> int | tuple[int, ...] | None:
        """Latents that are changed: one, several, or none at all ([]: the reconstruction, nothing changed).

        None: the model is left alone, whatever the other fields say.
        """
        return self._features

    @mod_features.setter
    def mod_features(self, features: int | Sequence[int] | None) -> None:
        if features is not None and not isinstance(features, int):
            features = tuple(int(each) for each in features)
        self._set(_features=features)

    @property
    def mod_scaling(self) -> Numbers:
        """What |h_f| is multiplied by where f is active; a number for all features or one for each."""
        return self._scaling

    @mod_scaling.setter
    def mod_scaling(self, scaling: Numbers) -> None:
        self._set(_scaling=scaling)

    @property
    def mod_replacement(self) -> Numbers | None:
        """h_f becomes this, also where f is not active; None: it is scaled."""
        return self._replacement

    @mod_replacement.setter
    def mod_replacement(self, replacement: Numbers | None) -> None:
        self._set(_replacement=replacement)

    @property
    def mod_threshold(self) -> float | None:
        """A feature is changed only where h_f is above this; None: everywhere."""
        return self._threshold

    @mod_threshold.setter
    def mod_threshold(self, threshold: float | None) -> None:
        self._set(_threshold=threshold)

    @property
    def mod_vector(self) -> Float[Tensor, " d"] | None:
        """Added to the module's output on top, in the units of the activation; None: nothing."""
        return self._vector

    @mod_vector.setter
    def mod_vector(self, vector: Float[Tensor, " d"] | None) -> None:
        self._set(_vector=vector)

    def __call__(self, x: Float[Tensor, "batch seq d"], at: Positions) -> Float[Tensor, "batch seq d"]:
        change = self._change
        if change is None:
            return x
        chosen = self.where.select(at)
        if not bool(chosen.any()):
            return x
        new = edit_latents(x, self.sae, change.ids, change.values, change, keep_error=self.keep_error)
        if change.vector is not None:
            new = new + change.vector.to(new)
        return torch.where(chosen.unsqueeze(-1), new, x)

    def remove(self) -> None:
        """Take the SAE out of the model; the handle is of no use afterwards."""
        self._stack.close()

    def __enter__(self) -> FeatureHook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def _set(self, **fields: object) -> None:
        before = {name: getattr(self, name) for name in fields}
        self.__dict__.update(fields)
        try:
            self._change = self._compiled()
        except Exception:
            self.__dict__.update(before)
            raise

    def _compiled(self) -> _Change | None:
        if self._features is None:
            return None
        ids = (self._features,) if isinstance(self._features, int) else self._features
        if wrong := [each for each in ids if not 0 <= each < self.sae.cfg.d_sae]:
            raise InputError(f"mod_features are 0 to {self.sae.cfg.d_sae - 1}, got {wrong[0]}")
        if len(set(ids)) < len(ids):
            raise InputError(f"mod_features names a latent twice: {list(ids)}")
        replaces = self._replacement is not None
        values = _per_feature(
            "mod_replacement" if replaces else "mod_scaling",
            self._scaling if self._replacement is None else self._replacement,
            len(ids),
        )
        if self._vector is not None and list(self._vector.shape) != [self.sae.cfg.width_out]:
            raise ShapeMismatch(f"mod_vector is [{self.sae.cfg.width_out}], got {list(self._vector.shape)}")
        threshold = -math.inf if self._threshold is None else float(self._threshold)
        device = self.sae.W_dec.device
        return _Change(
            torch.tensor(ids, dtype=torch.long, device=device),
            torch.tensor(values, device=device),
            threshold,
            replaces,
            self._vector,
        )


def _per_feature(name: str, given: Numbers, count: int) -> list[float]:
    values = [float(given)] * count if isinstance(given, int | float) else [float(each) for each in given]
    if len(values) != count:
        raise InputError(f"{name} has {len(values)} numbers for {count} features; give one, or one for each")
    if not all(map(math.isfinite, values)):
        raise InputError(f"{name} is finite, got {values}")
    return values
