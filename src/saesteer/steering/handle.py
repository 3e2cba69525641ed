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
import operator
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

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

    It holds in this thread and context until `remove()`, or to the end of a `with` block; a thread of your
    own, such as a streamer's, is steered if it runs in a copy of them (contextvars). `keep_error`: add
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

    A field that cannot be used raises where it is set, and keeps what it was; so does a misspelt one.
    """

    __slots__ = (
        "_change", "_features", "_removed", "_replacement", "_scaling", "_stack", "_threshold", "_vector",
        "hookpoint", "keep_error", "sae", "where",
    )  # fmt: skip

    def __init__(self, lm: LanguageModel, sae: SAE, hookpoint: str, keep_error: bool, where: Where) -> None:
        self.hookpoint, self.sae, self.keep_error, self.where = hookpoint, sae, keep_error, where
        self._features: int | tuple[int, ...] | None = None
        self._scaling: Numbers = 1.0
        self._replacement: Numbers | None = None
        self._threshold: float | None = None
        self._vector: Tensor | None = None
        self._change: _Change | None = None
        self._removed = False
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
        self._set(_features=None if features is None else _latents(features))

    @property
    def mod_scaling(self) -> Numbers:
        """What |h_f| is multiplied by where f is active; a number for all features or one for each."""
        return self._scaling

    @mod_scaling.setter
    def mod_scaling(self, scaling: Numbers) -> None:
        self._set(_scaling=_numbers("mod_scaling", scaling))

    @property
    def mod_replacement(self) -> Numbers | None:
        """h_f becomes this, also where f is not active; None: it is scaled."""
        return self._replacement

    @mod_replacement.setter
    def mod_replacement(self, replacement: Numbers | None) -> None:
        self._set(_replacement=None if replacement is None else _numbers("mod_replacement", replacement))

    @property
    def mod_threshold(self) -> float | None:
        """A feature is changed only where h_f is above this; None: everywhere."""
        return self._threshold

    @mod_threshold.setter
    def mod_threshold(self, threshold: float | None) -> None:
        self._set(_threshold=None if threshold is None else _number("mod_threshold", threshold))

    @property
    def mod_vector(self) -> Float[Tensor, " d"] | None:
        """Added to the module's output on top, in the units of the activation; None: nothing."""
        return self._vector

    @mod_vector.setter
    def mod_vector(self, vector: Float[Tensor, " d"] | None) -> None:
        if vector is not None:
            vector = torch.as_tensor(vector).detach().clone()
            width = self.sae.cfg.width_out
            if list(vector.shape) != [width]:
                raise ShapeMismatch(f"mod_vector is [{width}], got {list(vector.shape)}")
            if not bool(vector.isfinite().all()):
                raise InputError("mod_vector is finite, got inf or NaN in it; mend it")
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
        """Take the SAE out of the model; the handle is of no use afterwards, and says so."""
        self._removed = True
        self._stack.close()

    def __enter__(self) -> FeatureHook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def _set(self, **fields: object) -> None:
        before = {name: getattr(self, name) for name in fields}
        try:
            for name, value in fields.items():
                setattr(self, name, value)
            self._change = self._compiled()
        except Exception:
            for name, value in before.items():
                setattr(self, name, value)
            raise

    def _compiled(self) -> _Change | None:
        if self._features is None:
            return None
        if self._removed:
            raise InputError("the handle was removed and changes nothing any more; attach the SAE anew")
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
        threshold = -math.inf if self._threshold is None else self._threshold
        device = self.sae.W_dec.device
        return _Change(
            torch.tensor(ids, dtype=torch.long, device=device),
            torch.tensor(values, device=device),
            threshold,
            replaces,
            self._vector,
        )


def _latents(given: Any) -> int | tuple[int, ...]:
    """One number of a latent, or several; of any library, but no text, no share and no truth value."""
    try:
        if isinstance(given, bool | str):
            raise TypeError
        try:
            return operator.index(given)
        except TypeError:
            several = list(given)
        if any(isinstance(each, bool | str) for each in several):
            raise TypeError
        return tuple(operator.index(each) for each in several)
    except (TypeError, ValueError) as error:
        raise InputError(f"mod_features is a whole number, a list of them, or None, got {given!r}") from error


def _numbers(name: str, given: Any) -> Numbers:
    """One number, or several."""
    if isinstance(given, list | tuple) or bool(getattr(given, "ndim", 0)):
        return tuple(_number(name, each) for each in given)
    return _number(name, given)


def _number(name: str, given: Any) -> float:
    try:
        number = math.nan if isinstance(given, bool | str) else float(given)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} is a finite number, got {given!r}; give one")
    return number


def _per_feature(name: str, given: Numbers, count: int) -> list[float]:
    values = [float(given)] * count if isinstance(given, int | float) else list(given)
    if len(values) != count:
        raise InputError(f"{name} has {len(values)} numbers for {count} features; give one, or one for each")
    return values
