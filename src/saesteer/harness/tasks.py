"""Tasks that are written on this machine instead of downloaded, by their names. Knows files, not lm_eval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from saesteer.names import Registry

TASKS: Final[Registry[Callable[[Path], Path]]] = Registry(
    "task",
    {
        "world_grammar": "saesteer.world.tasks:write_grammar",
        "world_facts": "saesteer.world.tasks:write_facts",
        "world_tracking": "saesteer.world.tasks:write_tracking",
    },
    group="saesteer.lm_eval_tasks",
)
"""Name -> what writes the task's files into a folder and gives the path of its YAML file."""


def written(names: Sequence[str], folder: Path) -> list[str]:
    """The names for lm_eval: of a task of ours, the path of its file, written into `folder`."""
    found = []
    for name in names:
        if name in TASKS:
            folder.mkdir(parents=True, exist_ok=True)
            name = str(TASKS.get(name)(folder))
        found.append(name)
    return found
