"""lm_eval's results as scores by item. Knows the form of what `simple_evaluate` gives; imports no lm_eval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from saesteer.harness.deltas import Scores
from saesteer.harness.forms import FORMS, MEAN, Parts, form_of, gives


def scores_of(results: Mapping[str, Any]) -> list[Scores]:
    """Every metric of every task and group; `samples` must be among the results."""
    every: Mapping[str, Mapping[str, Any]] = results["results"]
    tasks = [each for name in every for each in _scores(results, name) if name in results["samples"]]
    known = {each.name: each for each in tasks}
    return [
        each if name in results["samples"] else _grouped(each, list(_leaves(results, name)), known)
        for name in every
        for each in _scores(results, name)
    ]


def _scores(results: Mapping[str, Any], name: str) -> Iterator[Scores]:
    """The metrics of one task, or of one group, whose items are its tasks'."""
    better = results.get("higher_is_better", {}).get(name, {})
    values = results["results"][name]
    for key, value in values.items():
        metric, comma, filtered = str(key).partition(",")
        if not comma or metric.endswith("_stderr") or not _is_number(value):
            continue
        stderr = values.get(f"{metric}_stderr,{filtered}")
        form, items = _items(results["samples"].get(name, ()), metric, filtered, float(value))
        error = float(stderr) if _is_number(stderr) else None
        yield Scores(
            name, filtered, metric, float(value), error, better.get(metric) is not False, items, form
        )


def _items(
    samples: Sequence[Mapping[str, Any]], metric: str, filtered: str, value: float
) -> tuple[str, dict[str, Parts]]:
    """The items and how the metric follows from them; nothing where no form gives the value."""
    found = {str(each["doc_id"]): each.get(metric) for each in samples if each["filter"] == filtered}
    return form_of(found, value)


def _leaves(results: Mapping[str, Any], name: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """The tasks of a group, those of its groups among them, each once."""
    for each in dict.fromkeys(results.get("group_subtasks", {}).get(name, ())):
        if each in results["samples"]:
            yield each
        elif each not in above:
            yield from _leaves(results, each, (*above, name))


def _grouped(group: Scores, tasks: Sequence[str], known: Mapping[tuple[str, str, str], Scores]) -> Scores:
    """The group with its tasks' items: each counts alike, or each task does, as the value shows."""
    found = [known.get((task, group.filter, group.metric)) for task in dict.fromkeys(tasks)]
    parts = [each for each in found if each is not None and each.form == MEAN and each.items]
    if not parts or len(parts) < len(found):
        return group
    for weights in ([1.0] * len(parts), [1 / len(each.items) for each in parts]):
        items = {
            f"{each.task}/{item}": (weight * value, weight)
            for each, weight in zip(parts, weights, strict=True)
            for item, (value, _) in each.items.items()
        }
        if gives(FORMS[MEAN], items, group.value):
            return Scores(*group.name, group.value, group.stderr, group.higher_is_better, items, MEAN)
    return group


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
