"""Columns side by side: a process each, one at work at a time, in an order that turns every round.

So noise of the machine hits all alike, and ratios within a round stay good. A column is a function that
trains on an iterator of batches and then gives what it made: the iterator stands still between rounds, and
the time from one stand to the next is what a round took, whoever wrote the loop in between.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

BUSY = 0.25  # cores that other processes may use before a round counts as noisy


def work(train: Callable, batches: Iterator, rounds: int, steps: int, finish: Callable) -> None:
    """The worker's side; speaks JSON lines on stdout, hears a line per round on stdin."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes elsewhere
    out.write(json.dumps({"ready": True}) + "\n")

    def timed() -> Iterator:
        for _ in range(rounds):
            sys.stdin.readline()
            own, all_, began = _own_cpu(), _machine_cpu(), time.perf_counter()
            for _ in range(steps):
                yield next(batches)
            seconds = time.perf_counter() - began
            others = (_machine_cpu() - all_) - (_own_cpu() - own)
            out.write(json.dumps({"seconds": seconds, "others": max(0.0, others) / seconds}) + "\n")
        yield next(batches)  # one more, so that the end of the last round is seen before a loop winds up

    reconstruct = train(timed())
    out.write(json.dumps(finish(reconstruct)) + "\n")


def compare(
    script: str, names: list[str], arguments: list[str], rounds: int, threads: int, patience: float
) -> dict:
    """Run all columns; name -> rounds (without the first one, to warm up) and what `finish` gave.

    `patience`: seconds that a round waits, at most, until other processes leave the machine alone.
    """
    log = Path(script).with_suffix(".log")
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "WANDB_MODE": "disabled",
    }
    processes, found = {}, {}
    with log.open("w") as errors, ExitStack() as at_exit:
        for name in names:
            line = [sys.executable, script, "--worker", name, *arguments]
            process = subprocess.Popen(
                line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )
            at_exit.callback(process.kill)
            if process.stdout.readline():
                processes[name], found[name] = process, {"rounds": []}
            else:
                print(f"{name}: left out; see {log.name}")
        for number in range(rounds):
            turn = list(processes)
            for name in turn[number % len(turn) :] + turn[: number % len(turn)]:
                process = processes[name]
                _wait_for_idle(patience)
                process.stdin.write("go\n")
                process.stdin.flush()
                record = json.loads(process.stdout.readline() or "null")
                if record is None:
                    raise SystemExit(f"{name} broke off; see {log.name}")
                if number:
                    found[name]["rounds"].append(record)
                seconds, others = record["seconds"], record["others"]
                print(
                    f"round {number} {name}: {seconds:.2f} s, others {others:.2f}",
                    file=sys.stderr,
                    flush=True,
                )
        for name, process in processes.items():
            found[name] |= json.loads(process.stdout.readline())
            process.wait()
    log.unlink()
    return found


def table(found: dict, reference: str, units: float) -> str:
    """Markdown: medians, time over the reference's by round, other figures, noisy rounds."""
    more = [key for key in found[reference] if key != "rounds"]
    lines = [
        "| " + " | ".join(["column", "tokens/s", f"time over {reference}", *more, "noisy rounds"]) + " |"
    ]
    lines.append("|" + "---|" * (len(more) + 4))
    base = [each["seconds"] for each in found[reference]["rounds"]]
    for name, each in found.items():
        seconds = [one["seconds"] for one in each["rounds"]]
        ratio = statistics.median(a / b for a, b in zip(seconds, base, strict=True))
        noisy = sum(one["others"] > BUSY for one in each["rounds"])
        cells = [name, f"{units / statistics.median(seconds):,.0f}", f"{ratio:.3f}"]
        cells += [f"{each[key]:.4f}" for key in more] + [f"{noisy} of {len(seconds)}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _wait_for_idle(patience: float) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = _machine_cpu()
        time.sleep(0.5)
        if (_machine_cpu() - before) / 0.5 < BUSY:
            return


def _own_cpu() -> float:
    return time.process_time()


def _machine_cpu() -> float:
    """Busy seconds of all cores since boot; 0 where the system does not say."""
    try:
        values = [int(each) for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
    except OSError:
        return 0.0
    return (sum(values[:8]) - values[3] - values[4]) / os.sysconf("SC_CLK_TCK")
