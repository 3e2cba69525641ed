"""The append-only log, torn and whole."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import CorruptFile, InputError, SaesteerError
from saesteer.runs import Journal

ROWS = [{"id": 1, "text": "ligne\nséparée"}, {"id": 2, "text": "\u2028"}, {"id": 3, "text": "x" * 99}]


def test_rows_come_back_in_order(tmp_path):
    journal = Journal(tmp_path / "deep" / "log.jsonl")
    assert list(journal) == []
    journal.append(ROWS[0])
    journal.extend(ROWS[1:])
    assert list(journal) == ROWS
    assert list(Journal(journal.path)) == ROWS


@given(cut=st.integers(min_value=0))
def test_a_log_torn_anywhere_keeps_its_whole_lines_and_goes_on(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("torn") / "log.jsonl"
    Journal(path).extend(ROWS)
    data = path.read_bytes()
    cut %= len(data) + 1
    path.write_bytes(data[:cut])
    whole = ROWS[: data[:cut].count(b"\n")]
    assert list(Journal(path)) == whole
    Journal(path).append({"id": 9})
    assert list(Journal(path)) == [*whole, {"id": 9}]


def test_a_torn_line_longer_than_a_block_is_cut_off(tmp_path):
    journal = Journal(tmp_path / "log.jsonl")
    journal.append({"id": 1})
    with journal.path.open("ab") as file:
        file.write(b"x" * 200_000)
    journal.append({"id": 2})
    assert list(journal) == [{"id": 1}, {"id": 2}]


def test_a_line_broken_in_the_middle_is_not_passed_over(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"id": 1}\n{"id"\n{"id": 3}\n')
    with pytest.raises(CorruptFile, match="line 2"):
        list(Journal(path))


def test_rows_that_are_no_json_add_nothing(tmp_path):
    journal = Journal(tmp_path / "log.jsonl")
    with pytest.raises(InputError):
        journal.append({"id": 1}, {"id": object()})
    assert list(journal) == []


def test_a_disk_that_takes_no_more_leaves_the_log_as_it_was(tmp_path):
    journal = Journal(tmp_path / "log.jsonl")
    journal.extend(ROWS)
    before = journal.path.read_bytes()
    code = f"""
import resource, sys
from saesteer.errors import SaesteerError
from saesteer.runs import Journal
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Journal({str(journal.path)!r}).extend([{{"text": "y" * 600}}] * 2)
except SaesteerError as error:
    sys.exit(str(error))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "log.jsonl was not written" in done.stderr
    assert journal.path.read_bytes() == before


def test_a_folder_in_the_way_is_one_clear_line(tmp_path):
    with pytest.raises(SaesteerError, match="was not written"):
        Journal(tmp_path).append(1)
