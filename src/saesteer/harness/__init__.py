"""Steered models under lm-evaluation-harness: its tasks and its command line, our specs.

Knows specs, models and what lm_eval's interfaces ask for. lm_eval itself is imported by the files that need
it (`model`, `guard`, `command`, `sweep`), which nothing imports before a run begins: it takes seconds.
"""

from saesteer.harness.asked import Asked
from saesteer.harness.steered import Steered

__all__ = ["Asked", "Steered"]
