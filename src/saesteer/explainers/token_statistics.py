"""An explanation without any language model: what is counted in the windows, said in English.

Deterministic. Knows what to count, to choose and to say only by their names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from saesteer.examples import Explanation, Failure, LatentRecord
from saesteer.explainers.evidence import Evidence
from saesteer.explainers.findings import Findings, findings
from saesteer.explainers.observed import Observed, observed
from saesteer.explainers.wording import distinct, sentences
from saesteer.runs import digest

_REVISION: Final = 1
"""Changes where the same windows are to be said in other words."""
_DETAILED: Final = 12


@dataclass(frozen=True)
class TokenStatistics:
    """Words that it fires on, phrases and sentences in which they stand, what it promotes."""

    least: int = 5
    """Windows in which it must be active."""
    promotes: int = 4
    """Promoted words that are said; 0 for none."""
    name: str = field(default="token_statistics", init=False)

    async def explain(self, record: LatentRecord) -> Explanation:
        """A failure "too_few_examples", or "nothing_separates" where there is nothing to be said."""
        windows = sum(each.max > 0 for each in record.train)
        if windows < self.least or not windows:
            said = f"{windows} active windows to explain it by, {self.least} are needed; read more texts"
            return Explanation(record.id, self.name, None, Failure("too_few_examples", said))
        seen = observed(record)
        found = findings(seen)
        text = sentences(found, distinct(record.promoted, self.promotes))
        details = _details(record, seen, found)
        if text is None:
            said = "no word or context sets its windows apart from silent ones, and it promotes nothing"
            return Explanation(
                record.id, self.name, None, Failure("nothing_separates", said), details=details
            )
        return Explanation(record.id, self.name, text, details=details)

    def fingerprint(self) -> str:
        """Equal for equal settings."""
        return digest(
            {"explainer": self.name, "revision": _REVISION, "least": self.least, "promotes": self.promotes}
        )


def _details(record: LatentRecord, seen: Observed, found: Findings) -> dict[str, Any]:
    """JSON: the figures behind the sentences."""
    on = sorted(seen.fires_on.items(), key=lambda each: (-each[1].inside, each[0]))[:_DETAILED]
    return {
        "form": found.form,
        "windows": len(record.train),
        "silent_windows": len(record.silent_train),
        "covered": round(found.covered, 4),
        "fires_on": [_figures(word, each) | {"rate": round(seen.rates[word], 4)} for word, each in on],
        "around": [_figures(each, seen.around[each]) for each in found.around],
        "trait": found.trait,
        "sentence": found.sentence,
        "promoted": list(record.promoted),
        "suppressed": list(record.suppressed),
    }


def _figures(word: str, found: Evidence) -> dict[str, Any]:
    """`share` of the activation (of rows near it), `elsewhere` the share among silent ones."""
    return {
        "word": word,
        "share": round(found.inside, 4),
        "elsewhere": round(found.outside, 4),
        "log_odds": round(found.log_odds, 3),
        "z": round(found.z, 2),
    }
