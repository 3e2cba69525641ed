"""Evaluation: sweeps of settings, their figures with intervals, an honest choice of strength, fluency.

Knows models, specs and the judge protocol; no method, no particular judge, no report.
"""

from saesteer.evaluation.agreement import Agreement, PairAgreement, agreement
from saesteer.evaluation.arms import BARE, Arm, Plan
from saesteer.evaluation.choice import Choice, Outcome, choose, report
from saesteer.evaluation.comparison import Comparison, compare_rows, compare_rows_with
from saesteer.evaluation.departing import Departure, departures
from saesteer.evaluation.divergence import Divergence, divergences, divergences_along
from saesteer.evaluation.drift import Drift, LatentChange, drifts
from saesteer.evaluation.effect_rows import EffectRow, EffectSummary
from saesteer.evaluation.effects_measured import side_effects
from saesteer.evaluation.effects_result import SideEffects, StrengthChanges
from saesteer.evaluation.figures import Figures, difference, figures
from saesteer.evaluation.fluency import Surprise, distinct_n, first_divergence, perplexity, surprise
from saesteer.evaluation.halves import split
from saesteer.evaluation.judgements import Judgements, RowJudgement, judge_rows, own_judgements
from saesteer.evaluation.reader_effects import Reader, reader_effects
from saesteer.evaluation.repetition import longest_repeat, repeated_share
from saesteer.evaluation.result import Summary, SweepResult, join
from saesteer.evaluation.rows import Row, Setting
from saesteer.evaluation.sampling import Graded, Request, Writing, write_texts
from saesteer.evaluation.strided import strided_surprise
from saesteer.evaluation.sweep import baseline, evaluate, sweep, sweep_prefixes
from saesteer.evaluation.tournament import Tournament, tournament

__all__ = [
    "BARE",
    "Agreement",
    "Arm",
    "Choice",
    "Comparison",
    "Departure",
    "Divergence",
    "Drift",
    "EffectRow",
    "EffectSummary",
    "Figures",
    "Graded",
    "Judgements",
    "LatentChange",
    "Outcome",
    "PairAgreement",
    "Plan",
    "Reader",
    "Request",
    "Row",
    "RowJudgement",
    "Setting",
    "SideEffects",
    "StrengthChanges",
    "Summary",
    "Surprise",
    "SweepResult",
    "Tournament",
    "Writing",
    "agreement",
    "baseline",
    "choose",
    "compare_rows",
    "compare_rows_with",
    "departures",
    "difference",
    "distinct_n",
    "divergences",
    "divergences_along",
    "drifts",
    "evaluate",
    "figures",
    "first_divergence",
    "join",
    "judge_rows",
    "longest_repeat",
    "own_judgements",
    "perplexity",
    "reader_effects",
    "repeated_share",
    "report",
    "side_effects",
    "split",
    "strided_surprise",
    "surprise",
    "sweep",
    "sweep_prefixes",
    "tournament",
    "write_texts",
]
