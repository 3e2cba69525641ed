"""lm_eval's results as scores by item. Knows the form of what `simple_evaluate` gives; imports no lm_eval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from saesteer.harness.deltas import Scores


def scores_of(results: Mapping[str, Any]) -> list[Scores]:
    """Every metric of every task; `samples` must be among the results."""
    found = []
    for task, values in results["results"].items():
        better = results.get("higher_is_better", {}).get(task, {})
        samples = results["samples"].get(task)
        for key, value in values.items():
            metric, comma, filtered = str(key).partition(",")
            if not comma or metric.endswith("_stderr") or not _is_number(value) or samples is None:
                continue
            stderr = values.get(f"{metric}_stderr,{filtered}")
            items = _items(samples, metric, filtered, float(value))
            scores = Scores(
                task,
                filtered,
                metric,
                float(value),
                float(stderr) if _is_number(stderr) else None,
                better.get(metric) is not False,
                items,
            )
            found.append(scores)
    return found


def _items(
    samples: Sequence[Mapping[str, Any]], metric: str, filtered: str, value: float
) -> dict[str, float]:
    """The item's own values where the metric is their mean, which their mean itself shows; else none."""
    found = {
        str(each["doc_id"]): float(each[metric])
        for each in samples
        if each["filter"] == filtered and _is_number(each.get(metric))
    }
    count = sum(each["filter"] == filtered for each in samples)
    if not found or len(found) != count:
        return {}
    mean = sum(found.values()) / len(found)
    return found if math.isclose(mean, value, rel_tol=1e-6, abs_tol=1e-9) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
