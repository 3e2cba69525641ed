"""Whole studies: from a concept to steered texts, their judgement and a report.

Knows the order of the stages; every stage is a call to another room.
"""

from saesteer.pipeline.demo import DemoResult, run_demo
from saesteer.pipeline.study import Study, StudyConfig, study

__all__ = ["DemoResult", "Study", "StudyConfig", "run_demo", "study"]
