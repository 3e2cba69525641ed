"""What run.json says of an experiment before anything is done: inputs, cells, what was noted earlier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from saesteer.judges import Judge, judge_name
from saesteer.pipeline.experiment.inputs import Inputs
from saesteer.pipeline.experiment.planning import Plan
from saesteer.runs import digest, read_json
from saesteer.text.over_represented import over_represented


def about_inputs(inputs: Inputs) -> dict[str, Any]:
    """Concepts, prompts and judges, by name and hash."""
    judges = (inputs.judge, *inputs.judges)
    concepts = [
        {
            "name": each.concept.name,
            "description": each.concept.description,
            "sha256": digest(each.concept),
            "words": over_represented(each.concept.positive, each.concept.negative) if each.has_texts else (),
        }
        for each in inputs.subjects
    ]
    named = [
        {"name": name, "fingerprint": each.fingerprint()}  # type: ignore[attr-defined]
        for name, each in zip(_names(judges), judges, strict=True)
    ]
    prompts = {"prompts": len(inputs.prompts), "prompts_sha256": digest(inputs.prompts)}
    return {"concepts": concepts, **prompts, "judges": named}


def about_plan(plan: Plan) -> dict[str, Any]:
    """The cells, and by what each is known again."""
    cells = [
        {
            "concept": each.subject.concept.name,
            "method": each.method.name,
            "folder": each.folder,
            "digest": each.digest,
        }
        for each in plan.cells
    ]
    return {"cells": cells, "base": plan.base_digest, "notes": list(plan.notes)}


def noted_before(path: Path, asked: str) -> dict[str, Any] | None:
    """What earlier attempts at the same experiment noted; None where another one, or none, was run here."""
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict) or found.get("asked") != asked:
        return None
    return {key: found[key] for key in ("estimate", "attempts") if key in found}


def _names(judges: Sequence[Judge]) -> list[str]:
    """Names of judges, which tell two of one kind apart: the tables of a report know no more of them."""
    names = [judge_name(each) for each in judges]
    prints = [each.fingerprint()[:8] for each in judges]  # type: ignore[attr-defined]
    return [
        name if names.count(name) == 1 else f"{name} {sign}" for name, sign in zip(names, prints, strict=True)
    ]
