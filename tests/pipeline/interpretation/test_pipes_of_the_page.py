"""The pipeline that docs/interpretation.md shows does what the page says."""

import asyncio
import re
from pathlib import Path
from textwrap import indent

import numpy as np

from saesteer.cache import cache_of_matrix
from saesteer.examples import Explanation, LatentId
from saesteer.scorers.detection import Detection
from saesteer.scorers.fuzzing import Fuzzing
from saesteer.world.oracle_client import OracleClient

PAGE = Path(__file__).parents[3] / "docs" / "interpretation.md"
ROWS, LENGTH = 600, 32


class Says:
    """An explainer that knows one sentence."""

    async def explain(self, record):
        return Explanation(record.id, "says", "the second word")


def cache():
    """Latent 0 is active in half of the rows, latent 1 in one, latent 2 never."""
    matrix = np.zeros((ROWS * LENGTH, 3))
    matrix[1 : ROWS * LENGTH // 2 : LENGTH, 0] = 1.0
    matrix[1, 1] = 1.0
    ids = np.tile(np.arange(LENGTH), ROWS)
    words = tuple(f" w{each}" for each in range(LENGTH))
    return cache_of_matrix(matrix, ids, np.arange(ROWS + 1) * LENGTH, words, "late")


def test_the_pipeline_of_the_page_runs_and_tells_what_was_skipped():
    blocks = re.findall(r"```python\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.S)
    (block,) = (each for each in blocks if "async for outcome in Pipeline" in each)
    client, looked, kept, outcomes = OracleClient(reads="activity"), [], [], []
    names = {
        "cache": cache(), "ids": [LatentId("late", each) for each in range(3)], "explainer": Says(),
        "detection": Detection(client), "fuzzing": Fuzzing(client),
        "look": looked.append, "keep": kept.append, "outcomes": outcomes,
    }  # fmt: skip
    exec(f"async def main():\n{indent(block, '    ')}        outcomes.append(outcome)\n", names)
    asyncio.run(names["main"]())
    found = {each.item.latent: each for each in outcomes}
    assert [each.value for each in found[0].value] == [1.0, 1.0] and found[0].failure is None
    assert [each.scorer for each in found[0].value] == ["detection", "fuzzing"]
    assert len(looked) == 1 and {each.scorer for each in kept} == {"detection", "fuzzing"}
    assert [found[each].failure.kind for each in (1, 2)] == ["too_few_windows", "never_active"]
