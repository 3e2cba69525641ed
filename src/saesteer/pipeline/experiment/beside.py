"""What a chosen setting does beside its aim, be it a spec, a tuned model or a prefix.

Where all seeds make the same (a method that draws and trains nothing, a prefix), one of them is measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from saesteer.evaluation import Arm, Reader, SideEffects, SweepResult, reader_effects, side_effects, split
from saesteer.pipeline.experiment.building import Built
from saesteer.pipeline.experiment.setup import Setup

BESIDE: Final = "beside"
PREFIXED: Final = 1.0
"""What the rows of a prefix have for a strength, where those of the plain model have 0."""


def measured_beside(
    setup: Setup, built: Mapping[int, Built], chosen: Mapping[int, Arm], folder: Path, base: SweepResult
) -> SideEffects | None:
    """Of the chosen arm of each seed, kept in `folder`; None where nobody asked for it."""
    if setup.config.side_effects is None:
        return None
    different: dict[Any, int] = {}
    for seed, arm in chosen.items():
        different.setdefault(_meaning(arm), seed)
    found = {seed: _measured(setup, built[seed], chosen[seed], folder, base) for seed in different.values()}
    return SideEffects.load(SideEffects.pooled(found).save(folder / BESIDE))


def _meaning(arm: Arm) -> Any:
    """Equal for arms that do the same."""
    return arm.prefix, arm.spec and arm.spec.fingerprint(), arm.tuned and arm.tuned.fingerprint()


def _measured(setup: Setup, built: Built, arm: Arm, folder: Path, base: SweepResult) -> SideEffects:
    asked, choice, half = setup.config.side_effects, setup.measuring, split(setup.inputs.prompts)
    assert asked is not None
    texts, befores = _texts(setup, base, asked.count)
    prompts = [each for each in setup.inputs.prompts if half[each] == "test"]
    options: dict[str, Any] = {
        "befores": befores,
        "tokens": asked.tokens,
        "max_length": asked.max_length,
        "at": None if choice is None else choice.at,
        "folder": folder,
    }
    sae = None if choice is None or not texts else setup.sae(choice.source)
    (strength,) = arm.strengths
    if arm.spec is not None:
        return side_effects(
            setup.lm, arm.spec, arm.strengths, texts, prompts, sae, saes=built.saes, **options
        )
    if arm.tuned is not None:
        reader = Reader(arm.tuned.at(strength))
    else:
        reader, strength = Reader(setup.lm, arm.prefix), PREFIXED
    return reader_effects(setup.lm, reader, strength, texts, prompts, sae, **options)


def _texts(setup: Setup, base: SweepResult, count: int) -> tuple[list[str], list[str] | None]:
    """What is read: the given texts, or the plain model's own behind their prompts."""
    if setup.inputs.texts is not None:
        return list(setup.inputs.texts[:count]), None
    own = {(row.prompt, row.text): row for row in base.rows if len(row.text.split()) > 1}
    rows = sorted(own.values(), key=lambda row: (row.sample, row.seed, row.prompt_id))[:count]
    return [row.text for row in rows], [row.prompt for row in rows]
