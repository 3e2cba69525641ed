"""Measure what vectors do to an SAE's latents: a run folder of shards that resumes. Knows models and SAEs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from saesteer.effects.directions import Directions
from saesteer.effects.rollouts import taken_from_pass
from saesteer.effects.run import BASELINE, INDEX, LINES, STAGE, EffectsRun, Line
from saesteer.effects.scales import goal_of
from saesteer.effects.settings import Settings
from saesteer.effects.shards import Shard, Task, measure_baseline
from saesteer.effects.workers import Workers, one_process
from saesteer.errors import CorruptFile, InputError, ShapeMismatch
from saesteer.model import LanguageModel
from saesteer.runs import (
    Journal,
    digest,
    run_stage,
    sha256_bytes,
    sha256_file,
    write_bytes,
    write_json,
    write_parquet,
)
from saesteer.saes import SAE, check_fits

JOURNAL: Final = "journal.jsonl"
REVISION: Final = 1  # raised when something else is computed, so that older folders are not reused

Progress = Callable[[int, int], None]
"""Called with the vectors done, those of an earlier attempt included, and the vectors in all."""


def measure_effects(
    root: str | Path,
    lm: LanguageModel,
    sae: SAE,
    directions: Directions,
    texts: Sequence[str],
    *,
    at: str | None = None,
    read_at: str | None = None,
    settings: Settings | None = None,
    seed: int = 0,
    workers: Workers | None = None,
    threads: int = 1,
    source: str | None = None,
    progress: Progress | None = None,
) -> EffectsRun:
    """The finished run of these vectors, in a folder of its own below `root`; resumed if it was begun.

    `texts`: clean text that scales are found on. `read_at`: where the SAE reads, its own hookpoint by
    default; `at`: where vectors are added, by default there too. `workers`: other processes that share the
    shards (`workers.processes`); a shard's bytes do not depend on who measured it. `threads`: of torch, in
    every process; on a CPU more processes do more than more threads. `source`: the SAE's name, noted. Raises
    SaesteerError where another process works on the same run. SAE-TS, arXiv 2411.02193, section 3.
    """
    if threads < 1:
        raise InputError(f"threads is at least 1, got {threads}")
    asked = _Asked(directions, tuple(texts), at, read_at, settings or Settings(), seed, source)
    with _threads(threads):
        return _measured(root, lm, sae, asked, workers or one_process(), progress)


@dataclass(frozen=True, eq=False)
class _Asked:
    """What a run is of."""

    directions: Directions
    texts: tuple[str, ...]
    at: str | None
    read_at: str | None
    settings: Settings
    seed: int
    source: str | None


def _measured(
    root: str | Path, lm: LanguageModel, sae: SAE, asked: _Asked, workers: Workers, progress: Progress | None
) -> EffectsRun:
    settings, directions = asked.settings, asked.directions
    read_at = lm.hookpoint(asked.read_at or sae.cfg.hook_name)
    at = lm.hookpoint(asked.at or read_at)
    check_fits(sae, lm.width(read_at), lm.name, read_at, lm.fingerprint(), lm.hookpoint, use="read")
    if directions.vectors.shape[1] != lm.width(at):
        raise ShapeMismatch(
            f"the vectors are {directions.vectors.shape[1]} wide but {at} of {lm.name} is {lm.width(at)}; "
            "check the hookpoint and where the vectors come from"
        )
    from_pass = taken_from_pass(lm, read_at, at, settings)
    goal = goal_of(lm, at, asked.texts, settings.scaling)
    task = Task(at, read_at, settings, asked.seed, goal)
    meta = {
        "steered_at": at,
        "read_at": read_at,
        "model": {"name": lm.name, "fingerprint": lm.fingerprint()},
        "sae": {"source": asked.source, "fingerprint": sae.fingerprint()},
        "settings": settings,
        "clean_loss": goal.clean,
        "target_loss": goal.target,
        "norm": goal.norm,
        "from_pass": from_pass,
    }
    work = _Work(lm, sae, directions, task, meta, workers, progress)
    folder = run_stage(
        root,
        STAGE,
        work,
        inputs={
            "model": lm.fingerprint(),
            "sae": sae.fingerprint(),
            "directions": directions.fingerprint(),
            "texts": digest(asked.texts),
        },
        config={
            "arithmetic": _arithmetic(lm),
            "at": at,
            "read_at": read_at,
            "settings": settings,
        },
        seed=asked.seed,
        revision=REVISION,
        verify=False,  # each shard is checked when it is read
    )
    return EffectsRun.open(folder)


def _arithmetic(lm: LanguageModel) -> dict[str, Any]:
    """What the last bits depend on, and by them which tokens are drawn."""
    found = {**lm.arithmetic, "device": lm.device.type, "batch_tokens": lm.batch_tokens}
    return {**found, "threads": torch.get_num_threads()}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, eq=False)
class _Work:
    """What is left of a run, done in its unfinished folder."""

    lm: LanguageModel
    sae: SAE
    directions: Directions
    task: Task
    meta: dict[str, Any]
    workers: Workers
    progress: Progress | None

    def __call__(self, folder: Path) -> None:
        baseline = self._baseline(folder / BASELINE)
        done = _finished(folder)
        total, size = len(self.directions), self.task.settings.shard
        parts = {n: self.directions.vectors[low : low + size] for n, low in enumerate(range(0, total, size))}
        self._tell(sum(len(parts[n]) for n in done), total)
        missing = {number: part for number, part in parts.items() if number not in done}
        for number, shard in self.workers(self.lm, self.sae, self.task, missing):
            self._write(folder, number, shard.less(baseline))
            done.add(number)
            self._tell(sum(len(parts[n]) for n in done), total)
        self._close(folder, len(parts))

    def _baseline(self, path: Path) -> Float[Tensor, " d_sae"]:
        """Of an earlier attempt, where it is whole: every effect is what is more than it."""
        if path.is_file() and sha256_file(path) == _noted(path.parent, "baseline").get(True):
            return safetensors.torch.load(path.read_bytes())["baseline"]
        found = measure_baseline(self.lm, self.sae, self.task)
        data = safetensors.torch.save({"baseline": found})
        write_bytes(path, data)
        Journal(path.parent / JOURNAL).append({"baseline": True, "sha256": sha256_bytes(data)})
        return found

    def _write(self, folder: Path, number: int, shard: Shard) -> None:
        """The file, then the word that it is whole."""
        data = shard.to_bytes()
        write_bytes(folder / _name(number), data)
        record = {"shard": number, "sha256": sha256_bytes(data), "vectors": len(shard.outcomes)}
        Journal(folder / JOURNAL).append({**record, "tokens": shard.tokens})

    def _close(self, folder: Path, shards: int) -> None:
        """Lines and index, once every shard is there."""
        names = [_name(number) for number in range(shards)]
        write_parquet(folder / LINES, [vars(line) for line in self._lines(folder, names)])
        write_json(folder / INDEX, {"meta": self.meta, "shards": names})

    def _lines(self, folder: Path, names: Sequence[str]) -> Iterator[Line]:
        number = 0
        for name in names:
            shard = Shard.from_bytes((folder / name).read_bytes())
            numbers = (shard.scales.tolist(), shard.losses.tolist(), shard.outcomes)
            for strength, loss, outcome in zip(*numbers, strict=True):
                kind, origin = self.directions.kinds[number], self.directions.origins[number]
                yield Line(number, kind, origin, strength, loss, outcome)
                number += 1

    def _tell(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)


def _finished(folder: Path) -> set[int]:
    """The shards of earlier attempts that are whole."""
    said = _noted(folder, "shard")
    paths = {number: folder / _name(number) for number in said}
    return {n for n, path in paths.items() if path.is_file() and sha256_file(path) == said[n]}


def _noted(folder: Path, what: str) -> dict[Any, str]:
    """The checksum of what the journal says is whole, by shard."""
    lines = list(Journal(folder / JOURNAL))
    for each in lines:
        told = isinstance(each, dict) and isinstance(each.get("sha256"), str)
        if not told or not isinstance(each.get("shard", 0), int):
            raise CorruptFile(f"{folder / JOURNAL} is no journal of a run; delete {folder} to measure anew")
    return {each[what]: each["sha256"] for each in lines if what in each}


def _name(number: int) -> str:
    return f"shard-{number:05d}.safetensors"
