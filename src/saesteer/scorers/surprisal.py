"""Surprisal: how much less a window surprises a base model that was told the explanation. Knows one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from saesteer.examples import Explanation, Failure, LatentRecord, Score
from saesteer.model import LanguageModel
from saesteer.scorers.aside import MODELS
from saesteer.scorers.asking import fingerprint_of, judged, text_or_failure, without_answers
from saesteer.scorers.loss import nats_behind
from saesteer.scorers.separation import missing, separated
from saesteer.scorers.wording import Wording, joined, settings_of, wording_of


@dataclass(frozen=True, eq=False)
class Surprisal:
    """The drop of a window's mean loss per token, told the explanation instead of other sentences."""

    lm: LanguageModel
    wording: str | Wording = "plain"
    """"plain", "titles" (stories of the embedded world), or a template that holds {explanation}."""

    name = "surprisal"
    headline = "auc"
    needs_explanation = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "wording", wording_of(self.wording))

    async def score(self, record: LatentRecord, explanation: Explanation | None) -> Score:
        """AUROC of the drop, active against silent windows; rows are windows."""
        text = text_or_failure(explanation)
        if isinstance(text, Failure):
            return judged(without_answers(self.name, record, None, text), explanation)
        found = missing(self.name, record, text)
        if found is None:
            found = separated(self.name, record, text, await MODELS(self.drops, record, text))
        return judged(found, explanation)

    def prompt(self, explanation: str, text: str = "") -> str:
        """What the model reads where it is told the explanation."""
        return joined(wording_of(self.wording).said(explanation), text)

    def drops(self, record: LatentRecord, explanation: str) -> Float[np.ndarray, " windows"]:
        """Nats per token, of active windows first; 0 for a window without a token to predict."""
        wording = wording_of(self.wording)
        texts = [each.text for each in (*record.test, *record.silent_test)]
        told = self._loss(wording.said(explanation), texts)
        untold = [self._loss(each, texts) for each in wording.unsaid(explanation)]
        return np.mean(untold, axis=0) - told

    def _loss(self, before: str, texts: Sequence[str]) -> Float[np.ndarray, " windows"]:
        """Per token of each text behind the same sentence."""
        spaced = [joined(before, text).removeprefix(before) for text in texts]
        nats, counts = nats_behind(self.lm, [before] * len(texts), spaced)
        return nats / np.maximum(counts, 1)

    def fingerprint(self) -> str:
        settings = settings_of(wording_of(self.wording))
        return fingerprint_of(self.name, settings | {"model": self.lm.fingerprint(), **self.lm.arithmetic})
