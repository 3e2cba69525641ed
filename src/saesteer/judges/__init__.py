"""Judges: how much of a concept does a text express, and is it coherent? One per file.

Knows: the protocol that every judge follows, and how a judge is made from a line of text.
Does not know: where the texts come from or what is done with the judgements.
"""

from saesteer.judges.judge import (
    CheckingJudge,
    ClosingJudge,
    FingerprintedJudge,
    Judge,
    Judgement,
    JudgeRequest,
    SpendingJudge,
    judge_name,
)
from saesteer.judges.making import load_judge, open_judge
from saesteer.judges.table import JUDGES

__all__ = [
    "JUDGES",
    "CheckingJudge",
    "ClosingJudge",
    "FingerprintedJudge",
    "Judge",
    "JudgeRequest",
    "Judgement",
    "SpendingJudge",
    "judge_name",
    "load_judge",
    "open_judge",
]
