"""How surprising an explanation is after a text, as a base model sees it. Knows templates and a loss.

"behind": the explanation stands behind the text, and its own loss is what counts. "titles" and other
wordings: it stands before the text, as models read that know titles and no such question. By Bayes' rule that
is the same: ln p(explanation | text) - ln p(explanation) = ln p(text | explanation) - ln p(text), where the
second text stands behind the wording's dummies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from saesteer.llms.lines import one_line
from saesteer.model import LanguageModel
from saesteer.scorers.loss import nats_behind
from saesteer.scorers.templates import template
from saesteer.scorers.wording import Wording, joined, settings_of, wording_of


@dataclass(frozen=True)
class Reading:
    """One of the two."""

    wording: Wording | None = None
    """What stands before the text; None where the explanation stands behind it."""
    bridge: str = ""
    """What stands between the text and an explanation behind it."""

    def surprise(
        self, lm: LanguageModel, prompts: Sequence[str], texts: Sequence[str], explanation: str
    ) -> Float[np.ndarray, " n"]:
        """Nats of the explanation after each prompt with its text; with a wording, but for a constant."""
        if self.wording is None:
            before = [prompt + text + self.bridge for prompt, text in zip(prompts, texts, strict=True)]
            said = joined(self.bridge, one_line(explanation).strip()).removeprefix(self.bridge)
            return nats_behind(lm, before, [said] * len(texts))[0]
        told, *untold = (
            nats_behind(lm, [joined(each, prompt) for prompt in prompts], texts)[0]
            for each in (self.wording.said(explanation), *self.wording.unsaid(explanation))
        )
        return told - np.mean(untold, axis=0)

    def settings(self) -> dict[str, Any]:
        """For fingerprints."""
        words = None if self.wording is None else settings_of(self.wording)
        return {"wording": words, "bridge": self.bridge}


def reading_of(given: str | Reading) -> Reading:
    """By its name, or a template of one's own that stands before the text."""
    if isinstance(given, Reading):
        return given
    return Reading(bridge=template("intervention")) if given == "behind" else Reading(wording_of(given))
