"""Cells in several processes, each with a model of its own. Knows who is given what; not what a cell is.

A process that dies takes its cell with it, which is a failure, and another is started in its place. One that
cannot begin (its device is wrong or full, a file is gone) had no part in its cell, which goes to another, and
none is started in its place. Where the one that started them dies, they end too, so that the next run finds
nobody at work.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from saesteer.errors import SaesteerError

Tell = Callable[[str, int, int], None]
Lose = Callable[[str], None]
"""Called with a line about a process that could not begin."""


@dataclass(frozen=True)
class Order:
    """What a process needs to begin: plain values alone."""

    config: dict[str, Any]
    """Of ExperimentConfig."""
    out: str
    model: str
    """Its fingerprint."""
    threads: int
    """Of torch."""


@dataclass(eq=False)
class _Worker:
    name: str
    """As people read it: which of them, and its device."""
    process: BaseProcess
    pipe: Connection
    device: str | None
    cell: str | None = None
    begun: bool = False
    """Whether it has its model."""


def run_cells(
    order: Order, devices: Sequence[str | None], folders: Sequence[str], tell: Tell, lose: Lose
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The folder and record of each cell, in the order in which they end; one process per device.

    The record of a cell whose process died has an error and nothing else. SaesteerError where no process can
    begin and cells are left.
    """
    left = list(folders)
    pool: list[_Worker] = []
    lost: list[str] = []
    try:
        for number, device in enumerate(devices[: len(left)], 1):
            name = f"process {number}" + (f" ({device})" if device else "")
            pool.append(_started(order, device, name))
        for worker in pool:
            _give(worker, left)
        while busy := [each for each in pool if each.cell is not None]:
            for pipe in wait([each.pipe for each in busy]):
                worker = next(each for each in busy if each.pipe is pipe)
                said = _received(worker)
                if said[0] == "begun":
                    worker.begun = True
                    continue
                if said[0] == "progress":
                    tell(*said[1])
                    continue
                assert worker.cell is not None
                if said[0] == "refused":
                    left.insert(0, worker.cell)
                    pool.remove(worker)
                    _end(worker)
                    lost.append(f"{worker.name} could not begin: {said[1]}")
                    lose(lost[-1])
                    for other in pool:
                        if other.cell is None:
                            _give(other, left)
                    continue
                yield worker.cell, said[1]
                worker.cell = None
                if said[0] == "dead":
                    _end(worker)
                    if not left and all(each.begun for each in pool):  # else one may give its cell back
                        pool.remove(worker)
                        continue
                    pool[pool.index(worker)] = worker = _started(order, worker.device, worker.name)
                _give(worker, left)
        if left:
            raise SaesteerError(
                f"no process is left for {len(left)} of {len(folders)} pairs of concept and method: "
                f"{'; '.join(lost)}; mend it, and the same command goes on from there"
            )
    finally:
        for worker in pool:
            _end(worker)


def _give(worker: _Worker, left: list[str]) -> None:
    if left:
        worker.cell = left.pop(0)
        with suppress(OSError):  # a dead one is found out when its answer is read
            worker.pipe.send(worker.cell)


def _received(worker: _Worker) -> tuple[str, Any]:
    try:
        found: tuple[str, Any] = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join(5)
        died = f"its process died (exit code {worker.process.exitcode}; -9 is often a lack of memory)"
        return ("dead", {"error": died}) if worker.begun else ("refused", died)
    return found


def _started(order: Order, device: str | None, name: str) -> _Worker:
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(there, order, device), daemon=True)
    process.start()
    there.close()  # so that the end of the process ends the pipe
    return _Worker(name, process, here, device)


def _end(worker: _Worker) -> None:
    """One without a cell ends by itself, and gives back what it holds of the system; it has some seconds."""
    worker.pipe.close()
    if worker.cell is None:
        worker.process.join(5)
    worker.process.terminate()
    worker.process.join()


def _serve(pipe: Connection, order: Order, device: str | None) -> None:
    """The life of a worker: load, then do cells until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the one that started it, and that one this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from saesteer.pipeline.experiment.cell import error_line
    from saesteer.pipeline.experiment.working import Working

    with suppress(EOFError, OSError):  # nobody is there any more
        try:
            torch.set_num_threads(order.threads)
            working = Working.begin(order.config, Path(order.out), device, order.model)
        except Exception as error:
            pipe.send(("refused", error_line(error)))
            return
        pipe.send(("begun", None))
        while True:
            folder = pipe.recv()
            record = working.run(folder, lambda *told: pipe.send(("progress", told)))
            pipe.send(("done", record))


def _end_with_parent() -> None:
    """A parent that was killed cannot say so: its work is not to go on behind the next run's back."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
