"""Every steering method against the best steering one and against prompting, on the same prompts.

The best is chosen on the selection half, as settings are; Holm's correction is over all comparisons.
"""

from __future__ import annotations

import numpy as np

from saesteer.errors import SaesteerError
from saesteer.evaluation import Comparison, Setting, choose, compare_rows_with
from saesteer.evaluation.choice import check_aim
from saesteer.pipeline.experiment.config import ExperimentConfig
from saesteer.pipeline.experiment.result import CellResult, ExperimentRun
from saesteer.report.records import Versus
from saesteer.statistics import holm

FIGURE = "behaviour"
ALPHA = 0.05
Names = tuple[str, str, str]
"""A concept and the methods that are compared on it."""


def comparisons(run: ExperimentRun) -> tuple[Versus, ...]:
    """Of all concepts; empty where nothing can be compared."""
    found = [each for about in run.about["concepts"] for each in _of(run, about["name"])]
    if not found:
        return ()
    adjusted = holm(np.array([each.p for _, each in found]))
    alpha = ALPHA / len(found)  # Holm asks no more of any of them
    return tuple(
        _versus(names, each, float(p), alpha) for (names, each), p in zip(found, adjusted, strict=True)
    )


def _of(run: ExperimentRun, concept: str) -> list[tuple[Names, Comparison]]:
    cells = {each.method.name: each for each in run.of(concept) if each.tested is not None}
    chosen = {name: _setting(cell) for name, cell in cells.items()}
    steering = [name for name, cell in cells.items() if cell.method.role_shown == "steering"]
    if not steering:
        return []
    sign = check_aim(run.config.aim)
    best = max(steering, key=lambda name: sign * _behaviour(cells[name], run.config))
    others = [name for name, cell in cells.items() if cell.method.role_shown == "prompting"]
    rows = [row for cell in cells.values() if cell.tested is not None for row in cell.tested.rows]
    found = []
    for base in (best, *others):
        against = [name for name in steering if name != base]
        if not against:
            continue
        try:
            done = compare_rows_with(
                rows, chosen[base], [chosen[each] for each in against], FIGURE, half="test"
            )
        except SaesteerError:
            continue  # all judgements of one of them failed, which is said elsewhere
        found += [((concept, name, base), each) for name, each in zip(against, done, strict=True)]
    return found


def _setting(cell: CellResult) -> Setting:
    return Setting(**cell.record["chosen"])


def _behaviour(cell: CellResult, config: ExperimentConfig) -> float:
    """Of the chosen setting, on the selection half."""
    assert cell.tried is not None
    choice = choose(cell.tried, config.asked, config.aim)
    return next(
        (each.figures.behaviour.estimate for each in choice.candidates if each.setting == choice.setting), 0.0
    )


def _versus(names: Names, found: Comparison, adjusted: float, alpha: float) -> Versus:
    needed = None if found.power is None else found.power.needed_at(alpha)
    return Versus(
        *names, FIGURE, found.difference, found.p, adjusted, found.cohens_d, found.prompts, found.seeds,
        needed, sum(found.samples), sum(found.failed),
    )  # fmt: skip
