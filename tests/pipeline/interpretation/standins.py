"""An explainer, scorers, records and a client of a few lines each, and a run of them as a process.

The client notes every request in a journal, so that what was asked can be counted after a kill.
"""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from saesteer.examples import Example, Explanation, Failure, LatentId, LatentRecord, Score
from saesteer.llms import Reply, Request, Usage, user
from saesteer.pipeline.interpretation.results import Results
from saesteer.pipeline.interpretation.running import Run, Stages
from saesteer.runs import Journal

LATENTS = tuple(LatentId("layers.3", number) for number in range(12))
ABOUT = {"explainers": {"said": {"config": ""}}, "scorers": {}}


class Noting:
    """Answers with what it was asked, after a while; every request is a line in a file."""

    name = "noting"

    def __init__(self, path: Path | None = None, wait: float = 0.0) -> None:
        self._journal, self._wait, self.asked = path and Journal(path), wait, []

    async def complete(self, request: Request) -> Reply:
        text = request.messages[-1].content
        self.asked.append(text)
        if self._journal is not None:
            self._journal.append(text)
        await asyncio.sleep(self._wait)
        return Reply(f"about {text}", usage=Usage(1, 10, 2, cost=0.5))

    def fingerprint(self) -> str:
        return "noting"

    async def close(self) -> None:
        return None


class Records:
    """A record of one window for every latent."""

    def __init__(self, skipped=(), odd=()):
        self.skipped, self.odd, self.read = set(skipped), set(odd), []

    def record(self, latent):
        self.read.append(latent)
        if latent.latent in self.skipped:
            return Failure("too_few_windows", "3 of 200")
        if latent.latent in self.odd:
            raise OSError("no such page")
        window = Example(np.arange(2), ("a", " b"), np.array([0.0, 1.0]), 0, 0)
        return LatentRecord(latent, (window,), (window,), max=1.0, density=0.5, windows=1)


@dataclass
class Said:
    """Explains by asking; what `errors` holds for a latent is raised."""

    client: Noting
    settings: str = ""
    errors: dict = field(default_factory=dict)
    name = "said"

    async def explain(self, record):
        if record.id.latent in self.errors:
            raise self.errors[record.id.latent]
        reply = await self.client.complete(Request(user(f"explain {record.id.latent}")))
        return Explanation(record.id, self.name, reply.text + self.settings, usage=reply.usage)

    def fingerprint(self):
        return f"said{self.settings}"


@dataclass
class Marked:
    """Scores by asking."""

    client: Noting
    name: str = "marked"
    needs_explanation: bool = True
    value: float | None = 0.5
    errors: dict = field(default_factory=dict)
    headline = "f1"

    async def score(self, record, explanation):
        if record.id.latent in self.errors:
            raise self.errors[record.id.latent]
        reply = await self.client.complete(Request(user(f"{self.name} {record.id.latent}")))
        text = explanation.text if explanation else None
        return Score(record.id, self.name, text, self.value, {"f1": self.value}, usage=reply.usage)

    def fingerprint(self):
        return f"{self.name}"


def stages(client, records=None, said=None, scorers=None, examples="e"):
    found = scorers if scorers is not None else (Marked(client), Marked(client, "odd_one_out", False))
    return Stages(records or Records(), examples, said or Said(client), tuple(found))


def described(results: Results, made: Stages) -> None:
    """What about.json says of the stages."""
    explainers = {made.explainer.name: {"config": made.config(made.explainer)}} if made.explainer else {}
    scorers = {each.name: {"config": made.config(each)} for each in made.scorers}
    results.describe({"cache": {"fingerprint": "c"}, "explainers": explainers, "scorers": scorers})


def run(folder, made, latents=LATENTS, retry_failed=False, **options):
    """One call, as explain and interpret make it."""
    results = Results(folder)
    described(results, made)
    return asyncio.run(Run(made, results, retry_failed).run(latents, **options))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    run(place / "run", stages(Noting(place / "asked.jsonl", wait=0.02)), parallel=3)
