"""Records are read as they were written."""

import math

import pytest

from saesteer.errors import CorruptFile
from saesteer.training.logs import JSONLines, read_metrics
from saesteer.training.metrics import TrainMetrics


def test_records_come_back(tmp_path):
    records = tuple(TrainMetrics(n, 10 * n, 0.1, 0.0, 4.0, 0.2, 1e-3, 1.0, 2.0, loss=0.3) for n in range(3))
    log = JSONLines(tmp_path)
    log.begin("one", records[:2])
    log.write("one", records[2])
    assert read_metrics(tmp_path / "one") == records == read_metrics(tmp_path / "one/best")
    assert read_metrics(tmp_path) == read_metrics(tmp_path / "one/other") == ()
    log.begin("two", [TrainMetrics(1, 1, math.nan, 0.0, 4.0, 0.2, 1e-3, 1.0, 2.0)])
    assert math.isnan(read_metrics(tmp_path / "two")[0].fvu) and math.isnan(
        read_metrics(tmp_path / "two")[0].loss
    )


@pytest.mark.parametrize("line", ["[1]", '{"step": 1}', '{"step": 1, "evil": 2}', "{"])
def test_a_line_that_is_no_record(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_text(line + "\n")
    with pytest.raises(CorruptFile, match=r"metrics\.jsonl"):
        read_metrics(tmp_path)
