"""Saved results come back as they were, and only as they were."""

import pandas as pd
import pytest

from saesteer.errors import CorruptFile, InputError
from saesteer.evaluation import SweepResult, join, own_judgements

JUDGED = {f"p{i}": [(0.5, 1.0), (0.0, 0.5), (None, None)] for i in range(4)}


def test_a_saved_result_is_the_same(make_rows, tmp_path):
    rows = make_rows(JUDGED, variant="ü </script>", text="line\none, \u201ctwo\u201d") + make_rows(
        JUDGED, strength=0.3, lenient=None, sentences=None, nll=None, tokens=0
    )
    found = SweepResult(tuple(rows), {"seed": 3, "arms": (1, 2)})
    loaded = SweepResult.load(found.save(tmp_path / "r"))
    assert loaded == found and loaded.folder == tmp_path / "r"


def test_columns_of_nothing_keep_their_types(make_rows, tmp_path):
    found = SweepResult(tuple(make_rows({"a": [(None, None)], "b": [(None, None)]}, nll=None)), {})
    frame = SweepResult.load(found.save(tmp_path)).to_pandas()
    assert frame["behaviour"].dtype == float and frame["nll"].dtype == float
    assert isinstance(frame, pd.DataFrame) and list(frame["error"]) == ["no answer"] * 2


def test_changed_rows_are_refused(make_rows, tmp_path):
    SweepResult(tuple(make_rows(JUDGED)), {}).save(tmp_path / "a")
    SweepResult(tuple(make_rows(JUDGED, strength=1.0)), {}).save(tmp_path / "b")
    (tmp_path / "b" / "rows.parquet").replace(tmp_path / "a" / "rows.parquet")
    with pytest.raises(CorruptFile, match="changed"):
        SweepResult.load(tmp_path / "a")


def test_a_prompt_in_both_halves_is_refused(make_rows):
    rows = make_rows(JUDGED)
    moved = make_rows(JUDGED, half="test")
    with pytest.raises(InputError, match="both halves"):
        SweepResult((*rows, *moved), {})


def test_join_refuses_a_sample_twice(make_rows):
    one, other = SweepResult(tuple(make_rows(JUDGED)), {}), SweepResult(tuple(make_rows(JUDGED, 0.5)), {})
    assert len(join([one, other]).rows) == 24
    with pytest.raises(InputError, match="12 samples stand twice"):
        join([one, one])


def test_a_join_knows_the_judge_of_all_its_sweeps_and_what_they_were_of(make_rows):
    asked = {"judge": "oracle", "judge_fingerprint": "f", "arms": [{"concept": "sea"}]}
    parts = [tuple(make_rows(JUDGED)), tuple(make_rows(JUDGED, 0.5))]
    found = join([SweepResult(rows, asked) for rows in parts])
    assert {each.judge for each in own_judgements(found)} == {"oracle"}
    assert found.provenance["judge_fingerprint"] == "f" and len(found.provenance["arms"]) == 2
    other = join([SweepResult(parts[0], asked), SweepResult(parts[1], asked | {"judge": "x"})])
    assert "judge" not in other.provenance


def test_where_keeps_what_equals(make_rows):
    found = SweepResult((*make_rows(JUDGED), *make_rows(JUDGED, 0.5)), {})
    assert {row.strength for row in found.where(strength=0.5).rows} == {0.5}
    assert len(found.where(strength=0.5, half="test").rows) == 6
    assert [each.strength for each in found.settings] == [0.0, 0.5]


def test_sweeps_of_several_seeds_join_and_their_samples_are_told_apart(make_rows):
    one, other = (make_rows({"a b": [(0.5, 1.0)], "c d": [(0.7, 1.0)]}, seed=seed) for seed in (0, 3))
    found = join([SweepResult(tuple(each), {}) for each in (one, other)])
    assert len({row.id for row in found.rows}) == 4
    assert {each.figures.seeds for each in found.summary} == {2}
    assert {each.figures.samples for each in found.summary} == {2}
    with pytest.raises(InputError, match="2 samples stand twice"):
        join([SweepResult(tuple(one), {}), SweepResult(tuple(one), {})])


def test_rows_of_before_there_were_seeds_are_read_as_those_of_seed_0(make_rows, tmp_path):
    """The file as it was written then: without the column."""
    import pyarrow.parquet as parquet

    from saesteer.runs import sha256_file, write_json

    rows = tuple(make_rows({"a b": [(0.5, 1.0)], "c d": [(0.7, 1.0)]}))
    folder = SweepResult(rows, {}).save(tmp_path)
    parquet.write_table(
        parquet.read_table(folder / "rows.parquet").drop_columns(["seed"]), folder / "rows.parquet"
    )
    write_json(folder / "provenance.json", {"provenance": {}, "sha256": sha256_file(folder / "rows.parquet")})
    found = SweepResult.load(folder).rows
    assert found == rows and [row.id for row in found] == [row.id for row in rows]


def test_seeds_are_kept_on_the_disk(make_rows, tmp_path):
    rows = tuple(make_rows({"a b": [(0.5, 1.0)], "c d": [(0.7, 1.0)]}, seed=4))
    assert [row.seed for row in SweepResult.load(SweepResult(rows, {}).save(tmp_path)).rows] == [4, 4]
