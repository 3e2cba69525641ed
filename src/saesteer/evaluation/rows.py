"""One sample in one record: what was asked, written and said of it. Knows no model and no judge."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from saesteer.errors import CorruptFile
from saesteer.judges import JudgeRequest
from saesteer.runs import digest
from saesteer.text.concept import Concept

if TYPE_CHECKING:
    import pyarrow

Half = Literal["selection", "test"]


@dataclass(frozen=True)
class Setting:
    """What a choice is made among: one method's variant at one strength, for one concept."""

    concept: str
    method: str
    variant: str
    """Tells the candidates of one method apart (a latent, a prefix); empty where there is one."""
    strength: float


@dataclass(frozen=True)
class Row:
    """One sample. A judgement that failed has `error` and no figures; a figure that no judge gave is None."""

    concept: str
    method: str
    variant: str
    strength: float
    prefix: str
    """The template around the prompt, such as "A wedding. {prompt}"; it is never judged."""
    prompt_id: str
    """Equal for equal prompts, in every sweep."""
    sample: int
    half: Half
    prompt: str
    text: str
    """The continuation alone."""
    behaviour: float | None
    coherence: float | None
    lenient: float | None
    sentences: int | None
    well_formed: int | None
    expressing: int | None
    nll: float | None
    """Nats per token of the text after the bare prompt, under the model without steering or prefix."""
    tokens: int
    """How many tokens `nll` is the mean of."""
    detail: str
    """Everything else that the judge said, as JSON."""
    error: str | None
    seed: int = 0
    """Of the writing: runs that differ in nothing else have samples of their own."""

    @property
    def ok(self) -> bool:
        """Whether this sample counts as data; it does without coherence, where its judge gives none."""
        return self.error is None and self.behaviour is not None

    @cached_property
    def id(self) -> str:
        """Names this sample: equal for the same setting, prompt, seed, number and text, in whatever sweep."""
        setting = [self.concept, self.method, self.variant, self.strength, self.prefix]
        seed = [self.seed] if self.seed else []  # rows of before there were seeds keep their names
        return digest([*setting, self.prompt, self.sample, self.text, *seed])[:16]

    def to_judge(self, concept: Concept) -> JudgeRequest:
        """This text as it was judged, to be judged again; what stood before the prompt stays hidden."""
        return JudgeRequest(self.text, self.prompt + self.prefix.partition("{prompt}")[2], concept)

    @property
    def others(self) -> dict[str, float]:
        """Figures of further criteria by name, such as instruction."""
        found = json.loads(self.detail).get("others", {}) if self.error is None else {}
        return {str(name): float(value) for name, value in found.items()}

    @property
    def setting(self) -> Setting:
        return Setting(self.concept, self.method, self.variant, self.strength)

    @property
    def perplexity(self) -> float | None:
        return None if self.nll is None else math.exp(min(self.nll, 700.0))


COLUMNS = tuple(each.name for each in fields(Row))
ID = "id"
"""A column of saved rows, which follows from the others; older files lack it."""


def to_table(rows: tuple[Row, ...]) -> pyarrow.Table:
    """The rows as a table with fixed types, so that a column of nothing but None keeps its type."""
    import pyarrow as pa

    kinds = {"float": pa.float64(), "int": pa.int64()}
    schema = pa.schema(
        [(each.name, kinds.get(str(each.type).split(" ")[0], pa.string())) for each in fields(Row)]
        + [(ID, pa.string())]
    )
    return pa.Table.from_pydict(
        {name: [getattr(row, name) for row in rows] for name in schema.names}, schema=schema
    )


def from_records(records: list[dict[str, Any]], where: str) -> tuple[Row, ...]:
    """Rows as they were saved; CorruptFile where the columns are not those of this version.

    Older files lack the seed, which is then 0.
    """
    if records and (odd := set(records[0]) - {ID} ^ set(COLUMNS)) - {"seed"}:
        raise CorruptFile(
            f"{where} has other columns than this version ({', '.join(sorted(odd))}); sweep again"
        )
    names = [name for name in COLUMNS if not records or name in records[0]]
    return tuple(Row(**{name: record[name] for name in names}) for record in records)
