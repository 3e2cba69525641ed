"""The page of judges names them all, and its table is that of its record."""

import json
from pathlib import Path

import pytest

from saesteer.judges import JUDGES
from scripts.measure_judges import MARK, PAGE, RECORD, measure, table

PAGE_TEXT = Path(PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", JUDGES.names())
def test_every_judge_is_on_the_page(name):
    assert f"| `{name}` |" in PAGE_TEXT and callable(JUDGES.get(name))


def test_the_table_is_that_of_its_record():
    found = MARK.search(PAGE_TEXT)
    assert found and found[0] == table(json.loads(RECORD.read_text(encoding="utf-8")))


def test_agreement_falls_as_the_judge_errs():
    """Where figures are spread out, kappa is about 1 - e of a judge that is wrong about e of its scores."""
    found = {(each["error"], each["figure"]): each["kappa"]["estimate"] for each in measure(80)}
    for figure in ("behaviour", "coherence"):
        kappas = [found[error, figure] for error in (0.0, 0.1, 0.3, 0.8)]
        assert kappas == sorted(kappas, reverse=True)
        assert kappas[0] > 0.95 and kappas[3] < 0.4
    assert abs(found[0.3, "coherence"] - 0.7) < 0.2
