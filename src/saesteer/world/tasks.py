"""The world's questions as tasks of lm-evaluation-harness: a YAML file and a JSONL file in a folder.

Plain multiple choice by log-likelihood, nothing to download and nothing to run. Knows the files' form only.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import yaml

from saesteer.runs import write_text
from saesteer.world.questions import Question, facts_questions, grammar_questions
from saesteer.world.tracking import tracking_questions

ITEMS: Final = {"world_grammar": 200, "world_facts": 200, "world_tracking": 600}
"""How many questions a task has."""
MAKERS: Final[dict[str, Callable[[int, int], list[Question]]]] = {
    "world_grammar": grammar_questions,
    "world_facts": facts_questions,
    "world_tracking": tracking_questions,
}


def write_task(name: str, folder: Path, n: int | None = None, seed: int = 0) -> Path:
    """Write NAME.yaml and NAME.jsonl; the path of the first, which lm_eval takes for a task.

    `n`: how many questions; None: as many as ITEMS says.
    """
    n = ITEMS[name] if n is None else n
    questions = MAKERS[name](n, seed)
    folder = folder.resolve()  # lm_eval looks for data files from the working folder
    write_text(folder / f"{name}.jsonl", _lines(questions))
    config = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / f"{name}.jsonl")}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "context",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "target_delimiter": " ",
        "num_fewshot": 0,
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1.0, "items": n, "seed": seed},
    }
    write_text(folder / f"{name}.yaml", yaml.safe_dump(config, sort_keys=False))
    return folder / f"{name}.yaml"


def write_grammar(folder: Path) -> Path:
    """Which sentence is well formed?"""
    return write_task("world_grammar", folder)


def write_facts(folder: Path) -> Path:
    """Which sentence agrees with the story?"""
    return write_task("world_facts", folder)


def write_tracking(folder: Path) -> Path:
    """Whom or what does the sentence mean?"""
    return write_task("world_tracking", folder)


def _lines(questions: Sequence[Question]) -> str:
    return "".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in questions)
