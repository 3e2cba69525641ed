"""The demo: the whole way on the embedded world, from contrasting texts to a report."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saesteer.model import load_model
from saesteer.pipeline.study import Report as Progress
from saesteer.pipeline.study import StudyConfig, study
from saesteer.report import Report, summary, write_report
from saesteer.runs import versions
from saesteer.saes import load_sae
from saesteer.text import load_concept
from saesteer.world.texts import openings

if TYPE_CHECKING:
    from rich.console import RenderableType

CONCEPTS = ("wedding", "sea", "anger", "archaic")
PROMPTS = 16
CONFIG = StudyConfig(
    depths=("layers.3", "layers.4.mid"),
    strengths=(0.2, 0.28, 0.36, 0.44),
    latents=3,
    samples=2,
    test_samples=10,
    base_samples=44,  # more than 2,000 sentences
)


@dataclass(frozen=True)
class DemoResult:
    """Where the report is, and what it says."""

    report: Path
    record: Report
    summary: list[dict[str, Any]]
    """One plain row per concept and method."""

    def table(self) -> RenderableType:
        """The same for a terminal."""
        return summary(self.record)


def run_demo(
    out: Path,
    concepts: Sequence[str] = CONCEPTS,
    config: StudyConfig = CONFIG,
    progress: Progress = lambda what, done, total: None,
    command: str = "saesteer demo",
) -> DemoResult:
    """Study some concepts of the embedded world and write `report.html` with its samples to `out`."""
    named = [load_concept(f"world/{name.removeprefix('world/')}") for name in concepts]
    progress("loading the embedded model", 0, len(named))
    lm, sae = load_model("world"), load_sae(f"world/{config.at}")
    done = study(lm, sae, named, openings(PROMPTS), "oracle", out / "samples", config, progress)
    record = Report(
        title="Steering on the embedded world",
        subtitle="From contrasting texts to steered stories, judged by the grammar that made the world",
        concepts=done.concepts,
        coherence=config.coherence,
        made=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        command=command,
        provenance={
            "model": f"world ({lm.fingerprint()[:12]})",
            "SAE": f"world/{config.at} ({sae.fingerprint()[:12]})",
            "judge": "oracle: the world's grammar",
            "prompts": f"{PROMPTS} neutral openings, half for choosing, half for reporting",
            "seed": config.seed,
            "python": platform.python_version(),
            **versions(),
        },
    )
    path = out / "report.html"
    write_report(record, path)
    return DemoResult(path, record, done.rows)
