"""Texts written steered beside unsteered, with the same luck. Knows a model and a spec; no judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saesteer.model import LanguageModel
from saesteer.saes import SAE
from saesteer.steering.apply import steer
from saesteer.steering.spec import SteeringSpec


@dataclass(frozen=True)
class Pair:
    """What the model writes after one prompt, unsteered and steered."""

    request: int
    """Number of the prompt in the call."""
    sample: int
    prompt: str
    unsteered: str
    steered: str


def side_by_side(
    lm: LanguageModel,
    spec: SteeringSpec,
    prompts: Sequence[str],
    n: int = 1,
    *,
    saes: Mapping[str, SAE] | None = None,
    force: bool = False,
    **options: Any,
) -> tuple[Pair, ...]:
    """`n` pairs of each prompt; `saes` and `force` as in `steer`, other options of `lm.generate`."""
    with steer(lm, spec, saes=saes, force=force):
        steered = lm.generate(prompts, n, **options)
    plain = lm.generate(prompts, n, **options)
    return tuple(
        Pair(one.request, one.sample, one.prompt, one.text, other.text)
        for one, other in zip(plain, steered, strict=True)
    )
