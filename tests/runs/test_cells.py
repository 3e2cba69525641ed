import csv
import io

import pytest

from saesteer.runs.cells import CSVRows, cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_a_formula_is_text(text):
    assert cell(text) == f"'{text}"


def test_other_cells_stay():
    assert [cell(each) for each in ("a=1", -1.5, None, True, "")] == ["a=1", -1.5, "", True, ""]


def test_a_column_is_no_formula_either():
    file = io.StringIO()
    CSVRows(file, ["=cmd()", "b"]).write([{"=cmd()": 1, "b": 2}])
    assert file.getvalue() == "'=cmd(),b\n1,2\n"


def test_rows_are_read_back():
    file = io.StringIO()
    CSVRows(file, ["a", "b"]).write([{"a": 'x"\n,', "b": -2.5}, {"a": "=cmd", "b": None}])
    file.seek(0)
    assert list(csv.reader(file)) == [["a", "b"], ['x"\n,', "-2.5"], ["'=cmd", ""]]
