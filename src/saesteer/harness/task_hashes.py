"""What a task asks, as a hash: another one is another run. Knows lm_eval's task objects and imports none."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from saesteer.runs import digest, sha256_bytes, sha256_file

_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")


def task_hash(task: Any, shots: int | None, code: Path | None = None) -> str:
    """The hash of a task's configuration, of every document that it asks about and, where `shots` (None: as
    many as the task says) come before it, of those that they are drawn from.

    `code`: the folder of a task that may run what lies there; all of it counts, since functions call others.
    """
    config = _ADDRESS.sub("", json.dumps(task.dump_config(), sort_keys=True, default=str))
    config = config.replace(str(Path(tempfile.gettempdir())), "")
    own = task.get_config("num_fewshot")
    drawn = [_hash(task.fewshot_docs())] if (shots if shots is not None and own != 0 else own) else []
    beside = [] if code is None else [[each.name, sha256_file(each)] for each in sorted(code.glob("*.py"))]
    return digest([_without_paths(json.loads(config)), _hash(task.eval_docs), *drawn, *beside])


def _hash(docs: Iterable[Any]) -> str:
    return sha256_bytes("".join(json.dumps(each, default=str) for each in docs).encode())


def _without_paths(config: dict[str, Any]) -> dict[str, Any]:
    """Not where the files of a task lie: the documents are hashed themselves."""
    metadata = {
        key: each for key, each in (config.get("metadata") or {}).items() if key in ("version", "seed")
    }
    return {key: each for key, each in config.items() if key != "dataset_kwargs"} | {"metadata": metadata}
