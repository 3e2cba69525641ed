"""Simulation: how active is the latent at each token, foretold from the explanation? Knows the two prompts.

"lines": one line per token, whose level is the expected value by the log-probabilities of its digits where
the client gives them, else the level as it was said. "json": one object, levels as they were said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from saesteer.errors import InputError
from saesteer.examples import Example, Explanation, Failure, LatentRecord, Score
from saesteer.llms import Client, Reply, Request
from saesteer.llms.lines import one_line
from saesteer.scorers.asking import (
    ask,
    fingerprint_of,
    judged,
    place_of,
    text_or_failure,
    too_few,
    without_answers,
)
from saesteer.scorers.classification import Figures
from saesteer.scorers.levels import parse_json, parse_lines
from saesteer.scorers.tasks import SimulationTask
from saesteer.scorers.templates import conversation, numbered, prompts_hash

Form = Literal["lines", "json"]
_TOP = 20
_PER_TOKEN, _MORE = 8, 64
"""Tokens of an answer, per token of the window and beside."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """One request per test window, active and silent."""

    client: Client
    form: Form = "lines"
    logprobs: bool = True
    name: str = ""
    """"simulation", or "simulation_json" for that form, unless another is given."""

    headline = "correlation"
    needs_explanation = True

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise InputError(f"form is one of {', '.join(get_args(Form))}, got {self.form!r}")
        object.__setattr__(
            self, "name", self.name or ("simulation" if self.form == "lines" else "simulation_json")
        )

    async def score(self, record: LatentRecord, explanation: Explanation | None) -> Score:
        """Pearson's correlation over the tokens of all windows; rows are windows."""
        text = text_or_failure(explanation)
        if isinstance(text, Failure):
            return judged(without_answers(self.name, record, None, text), explanation)
        windows = (*record.test, *record.silent_test)
        if not windows:
            none = without_answers(self.name, record, text, too_few("test windows", 0))
            return judged(none, explanation)
        replies, usage = await ask(self.client, self.requests(record, text))
        rows: list[dict[str, Any]] = []
        failures: list[Failure] = []
        for window, reply in zip(windows, replies, strict=True):
            found = reply if isinstance(reply, Failure) else self.parse(reply, len(window.tokens))
            if isinstance(found, Failure):
                failures.append(found)
            else:
                rows.append(_row(window, found, record.max))
        figures = _figures(rows)
        answered = (tuple(rows), tuple(failures), usage)
        score = Score(record.id, self.name, text, figures[self.headline], figures, *answered)
        return judged(score, explanation)

    def requests(self, record: LatentRecord, explanation: str) -> list[Request]:
        """What would be asked, of active windows first."""
        windows = (*record.test, *record.silent_test)
        return [self._request(window, explanation, record.max) for window in windows]

    def parse(self, reply: Reply, tokens: int) -> tuple[float, ...] | Failure:
        """A level per token, 0 to 10."""
        return parse_lines(reply, tokens) if self.form == "lines" else parse_json(reply, tokens)

    def fingerprint(self) -> str:
        settings = {"name": self.name, "form": self.form, "logprobs": self.logprobs}
        made = {"prompts": prompts_hash(self._prompt), "client": self.client.fingerprint()}
        return fingerprint_of("simulation", settings | made)

    @property
    def _prompt(self) -> str:
        return "simulation" if self.form == "lines" else "simulation_json"

    def _request(self, window: Example, explanation: str, largest: float) -> Request:
        truth = tuple(window.levels(largest).tolist())
        as_json = self.form == "json"
        texts = numbered([json.dumps(token, ensure_ascii=False) for token in window.tokens])
        return Request(
            conversation(self._prompt, explanation=one_line(explanation), texts=texts),
            _PER_TOKEN * len(window.tokens) + _MORE,
            top_logprobs=_TOP if self.logprobs and not as_json else 0,
            json=as_json,
            task=SimulationTask(explanation, window.tokens, truth, as_json),
        )


def _row(window: Example, said: Sequence[float], largest: float) -> dict[str, Any]:
    truth = window.levels(largest).tolist()
    return place_of(window) | {
        "truth": truth,
        "said": [round(each, 4) for each in said],
        "activations": [round(float(each), 6) for each in window.activations],
        "correlation": pearson(truth, said),
    }


def _figures(rows: Sequence[Mapping[str, Any]]) -> Figures:
    """Over all tokens; over all tokens of a quantile's windows; the mean over windows that have one."""
    alone = [row["correlation"] for row in rows if row["correlation"] is not None]
    figures: Figures = {
        "correlation": _pooled(rows, "truth"),
        "correlation_with_activations": _pooled(rows, "activations"),
        "correlation_per_window": float(np.mean(alone)) if alone else None,
    }
    for each in sorted({row["quantile"] for row in rows} - {None}):
        chosen = [row for row in rows if row["quantile"] == each]
        figures[f"correlation_quantile_{each}"] = _pooled(chosen, "truth")
    return figures


def _pooled(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    return pearson(
        [each for row in rows for each in row[key]], [each for row in rows for each in row["said"]]
    )


def pearson(one: Sequence[float], other: Sequence[float]) -> float | None:
    """None where one of them does not vary."""
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    a, b = (each / np.abs(each).max() for each in (a - a.mean(), b - b.mean()))  # squares are in range then
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1.0, 1.0))
