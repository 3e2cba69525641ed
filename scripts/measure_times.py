"""How long a user waits: import, help pages, the whole demo. Each run is a process of its own; medians.

python scripts/measure_times.py [--runs 5] [--json docs/figures/times.json]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VERBS = ("demo", "find", "show", "steer", "generate", "doctor")
SAESTEER = "import sys; from saesteer.cli.main import main; sys.exit(main())"


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def median(command: list[str], runs: int) -> float:
    seconds(command)
    return round(statistics.median(seconds(command) for _ in range(runs)), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    bare = median([sys.executable, "-c", "pass"], args.runs)
    figures = {
        "python alone": bare,
        "import saesteer (less python alone)": round(
            median([sys.executable, "-c", "import saesteer"], args.runs) - bare, 3
        ),
        "saesteer --help": median([sys.executable, "-c", SAESTEER, "--help"], args.runs),
    }
    for verb in VERBS:
        figures[f"saesteer {verb} --help"] = median(
            [sys.executable, "-c", SAESTEER, verb, "--help"], args.runs
        )
    with tempfile.TemporaryDirectory() as folder:
        figures["saesteer demo"] = round(
            statistics.median(
                seconds([sys.executable, "-c", SAESTEER, "demo", "--out", f"{folder}/{i}"])
                for i in range(max(1, args.runs // 2))
            ),
            1,
        )
    print(json.dumps(figures, indent=1))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
