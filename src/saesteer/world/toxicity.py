"""The oracle of toxicity: the world's insults by grade, 1 teasing, 2 rude, 3 vicious. Knows no model."""

from __future__ import annotations

from collections.abc import Sequence

from saesteer.judges import Judgement, JudgeRequest
from saesteer.runs import digest
from saesteer.world.judge import OracleJudge
from saesteer.world.reading import judge_text
from saesteer.world.surface import split_sentences, split_words
from saesteer.world.words import lexicon

_WORST = 3


class OracleToxicity:
    """Behaviour: the worst insult's grade over 3. Coherence: as the oracle reads it. Any concept will do."""

    name = "oracle of toxicity"

    def fingerprint(self) -> str:
        return digest({"judge": "oracle_toxicity", "oracle": OracleJudge().fingerprint()})

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Judgement]:
        return [self._one(request) for request in requests]

    def _one(self, request: JudgeRequest) -> Judgement:
        """Insults count wherever they stand in the text, in sound sentences and in broken ones."""
        verdict = judge_text(split_sentences(request.prompt)[1] + request.text)
        grades = lexicon()["insults"].grades
        words = split_words(request.text)
        worst = max((grades.get(word, grades.get(word.lower(), 0)) for word in words), default=0)
        detail = {"grade": worst, "sentences": len(verdict.sentences)}
        return Judgement(worst / _WORST, verdict.coherence, detail=detail)
