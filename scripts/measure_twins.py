"""Run the offline twins of the examples, command by command as their pages say, and keep what they found.

    python scripts/measure_twins.py --work build/twins --json docs/figures/twins.json

Then `python scripts/write_twins.py` writes docs/twins.md. A twin is an example's own file with model, SAE,
data and judge laid over it; the commands are those of its README, under "The same offline".
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
RUNS: Final = {"scar": "runs/scar", "topic_alignment": "runs/topic", "sae_ts": "runs/sae_ts"}
NAMES: Final = (*RUNS, "auto_interp")
KEPT: Final = (
    "concept", "method", "setting", "samples", "prompts", "failed", "reason", "error",
    *(f"{name}{end}" for name in ("base_behaviour", "behaviour", "coherence", "lift", "beside_kl")
      for end in ("", "_low", "_high")),
)  # fmt: skip


def commands(name: str) -> list[str]:
    """Those of the example's page that run offline."""
    page = (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^    (\S.+)$", page.split("## The same offline")[1], re.MULTILINE)


def run(line: str, folder: Path) -> str:
    """What a command prints; its failure ends the script."""
    program, *words = shlex.split(line)
    start = [sys.executable] if program == "python" else [sys.executable, "-c", _MAIN]
    environment = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(
        [*start, *words],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{folder.name}: {line}\n{done.stdout[-800:]}\n{done.stderr[-1500:]}")
    return done.stdout


_MAIN: Final = "import sys; from saesteer.cli.main import main; sys.exit(main())"


def measure(name: str, work: Path, figures: Path) -> dict[str, Any]:
    """One example in a copy of its folder."""
    folder = work / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / name, folder)
    took, lines = {}, commands(name)
    for line in lines:
        start = time.monotonic()
        run(line, folder)
        took[line] = round(time.monotonic() - start, 1)
        print(f"{name}: {took[line]:6.1f} s  {line}", flush=True)
    found: dict[str, Any] = {"commands": took}
    if name in RUNS:
        with open(folder / RUNS[name] / "results.csv", newline="", encoding="utf-8") as file:
            found["rows"] = [{key: row[key] for key in KEPT} for row in csv.DictReader(file)]
        figures.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / RUNS[name] / "figures/overview.png", figures / f"{name}.png")
    else:
        told = json.loads(run("saesteer report runs/auto_interp --json", folder))
        found["summary"] = told["summary"]
    deltas = folder / "costs" / "deltas.json"
    if deltas.is_file():
        record = json.loads(deltas.read_text(encoding="utf-8"))
        found["deltas"] = record["rows"]
        found["plain"] = record["plain"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("build/twins"))
    parser.add_argument("--only", default=",".join(NAMES), help="names of examples with commas")
    parser.add_argument("--json", type=Path, default=Path("docs/figures/twins.json"))
    a = parser.parse_args()
    held = json.loads(a.json.read_text(encoding="utf-8")) if a.json.exists() else {}
    for name in a.only.split(","):
        held[name] = measure(name, a.work.resolve(), a.json.parent / "twins")
        a.json.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
