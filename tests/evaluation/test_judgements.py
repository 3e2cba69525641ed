"""A table beside a sweep's rows: by row id, appended alone, gone on with, never confused."""

import json
from dataclasses import replace

import pytest

from saesteer.errors import CorruptFile, InputError, SaesteerError
from saesteer.evaluation import Judgements, RowJudgement, SweepResult, figures, judge_rows, own_judgements
from saesteer.evaluation.choice import choose
from saesteer.evaluation.judgements import FILE, concepts_of
from saesteer.evaluation.rating import Rater, session
from saesteer.judges import Judgement, load_judge

from .conftest import CONCEPT, PROMPTS

JUDGED = {f"p{i}": [(0.5, 1.0), (0.0, 0.5)] for i in range(4)}
CONCEPTS = {"sea": CONCEPT}


@pytest.fixture
def saved(make_rows, tmp_path):
    """Two methods of which some texts are the same, in a folder."""
    rows = [
        replace(row, method=method, text=f" the sea {row.prompt} {row.sample}" + (" far" if far else ""))
        for method, far in (("one", False), ("other", True))
        for row in make_rows(JUDGED)
    ]
    rows += [replace(row, method="again") for row in rows[:2]]
    return SweepResult.load(SweepResult(tuple(rows), {"judge": "x"}).save(tmp_path / "sweep"))


def counting(version="1", fails=()):
    calls = []

    def one(request):
        calls.append(request.text)
        return None if request.text in fails else len(request.text) / 100

    return load_judge(one, version=version, name="length"), calls


def test_ids_are_of_the_sample_and_its_text(make_rows):
    rows = make_rows(JUDGED)
    assert len({row.id for row in rows}) == len(rows)
    first = rows[0]
    assert first.id == replace(first, behaviour=0.1, nll=2.0, half="test").id
    changes = (
        {"text": "x"},
        {"strength": 1.0},
        {"method": "y"},
        {"prompt": "z"},
        {"sample": 9},
        {"prefix": "a {prompt}"},
    )
    assert len({first.id, *(replace(first, **each).id for each in changes)}) == 7


def test_ids_are_a_column_of_saved_rows(saved):
    assert list(saved.to_pandas()["id"]) == [row.id for row in saved.rows]


def test_rows_of_before_ids_are_read(saved):
    import pyarrow.parquet as parquet

    from saesteer.runs import sha256_file, write_json

    path = saved.folder / "rows.parquet"
    parquet.write_table(parquet.read_table(path).drop_columns(["id"]), path)
    record = {"provenance": {"judge": "x"}, "sha256": sha256_file(path)}
    write_json(saved.folder / "provenance.json", record)
    assert SweepResult.load(saved.folder).rows == saved.rows


def test_every_row_is_judged_and_equal_texts_once(saved):
    judge, calls = counting()
    assert judge_rows(saved, judge, CONCEPTS) == []
    found = Judgements(saved.folder).of(judge.fingerprint())
    assert set(found) == {row.id for row in saved.rows} and len(calls) == 16
    assert found[saved.rows[0].id].figures == {"behaviour": len(saved.rows[0].text) / 100}
    assert SweepResult.load(saved.folder) == saved  # the rows are as they were


def test_what_was_judged_is_not_asked_again_and_what_failed_is(saved):
    bad = saved.rows[3].text
    judge, _ = counting(fails={bad})
    assert [each.row for each in judge_rows(saved, judge, CONCEPTS)] == [saved.rows[3].id]
    judge, calls = counting()
    assert judge_rows(saved, judge, CONCEPTS) == [] and calls == [bad]
    assert judge_rows(saved, judge, CONCEPTS) == [] and calls == [bad]
    judge, calls = counting("2")
    judge_rows(saved, judge, CONCEPTS)
    assert len(calls) == 16 and len(Judgements(saved.folder).read()) == 36


def test_a_killed_call_goes_on_where_it_stood(saved):
    judge, _ = counting()
    judge_rows(saved, judge, CONCEPTS)
    path = saved.folder / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]) + lines[5][:20])
    judge, calls = counting()
    judge_rows(saved, judge, CONCEPTS)
    assert len(Judgements(saved.folder).of(judge.fingerprint())) == 18 and len(calls) < 16


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        '{"row": "a"}',
        '{"row":"a","judge":"b","fingerprint":"c","figures":{"behaviour":1.5},"detail":{},"error":null}',
        '{"row":"a","judge":"b","fingerprint":"c","figures":{"behaviour":true},"detail":{},"error":null}',
        '{"row":1,"judge":"b","fingerprint":"c","figures":{},"detail":{},"error":null}',
    ],
)
def test_lines_that_no_judge_wrote_are_refused(saved, line):
    (saved.folder / FILE).write_text(line + "\n")
    with pytest.raises(CorruptFile, match="line 1"):
        Judgements(saved.folder).read()


def test_one_writer_at_a_time(saved):
    judge, _ = counting()
    with Judgements(saved.folder).alone(), pytest.raises(SaesteerError, match="another process"):
        judge_rows(saved, judge, CONCEPTS)


def test_what_cannot_be_kept(saved, tmp_path):
    with pytest.raises(InputError, match="fingerprint"):
        judge_rows(saved, load_judge(lambda request: 1.0), CONCEPTS)
    with pytest.raises(InputError, match="'sea', which was not given"):
        judge_rows(saved, counting()[0], {})
    with pytest.raises(InputError, match="saved sweep"):
        judge_rows(SweepResult(saved.rows, {}), counting()[0], CONCEPTS)
    with pytest.raises(InputError, match=r"rows\.parquet"):
        Judgements(tmp_path)


def test_a_concept_that_has_changed_is_refused(saved):
    arms = [{"concept": "sea", "concept_sha256": "0"}]
    with pytest.raises(InputError, match="its texts differ"):
        concepts_of(SweepResult(saved.rows, {"arms": arms}), [CONCEPT])
    assert concepts_of(saved, [CONCEPT]) == CONCEPTS


def test_the_sweeps_own_judge_is_one_of_them(saved):
    own = own_judgements(saved)
    assert own[0] == RowJudgement(
        saved.rows[0].id, "x", "x", {"behaviour": 0.5, "coherence": 1.0, "lenient": 0.5}
    )


# Rows that nobody judged for coherence


def test_figures_that_nobody_judged_are_none(make_rows):
    rows = [replace(row, coherence=None) for row in make_rows(JUDGED)]
    found = figures(rows)
    assert (found.samples, found.failed, found.behaviour.estimate) == (8, 0, 0.25)
    assert found.coherence is None and found.product is None and found.harmonic is None
    result = SweepResult(tuple(rows), {})
    assert choose(result, 0.0).setting is not None
    with pytest.raises(InputError, match=r"without coherence.*combined"):
        choose(result, 0.8)
    with pytest.raises(InputError, match="without coherence"):
        figures([*rows, *make_rows(JUDGED)])


def test_a_sweep_without_coherence_and_one_with_gaps(lm, spec):
    from saesteer.evaluation import sweep

    found = sweep(lm, spec, CONCEPT, (0.0,), PROMPTS, 1, load_judge("regex:sea"), max_new_tokens=3)
    assert all(row.ok and row.coherence is None for row in found.rows)
    assert found.summary[0].figures.coherence is None and "<td>-</td>" in found._repr_html_()

    def some(request):
        return Judgement(0.5, None if request.prompt == PROMPTS[0] else 1.0)

    gaps = sweep(lm, spec, CONCEPT, (0.0,), PROMPTS, 1, load_judge(some), max_new_tokens=3)
    assert [row.prompt for row in gaps.failed] == [PROMPTS[0]]
    nothing = sweep(
        lm, spec, CONCEPT, (0.0,), PROMPTS, 1, load_judge(lambda r: Judgement(None, 1.0)), max_new_tokens=3
    )
    assert all("no behaviour" in row.error for row in nothing.rows)


# Ratings by a person


class Hand:
    """Types these lines and remembers what it saw."""

    def __init__(self, *lines):
        self.lines, self.seen = list(lines), []

    def show(self, sheet):
        self.seen.append(sheet)

    def ask(self, criterion):
        return self.lines.pop(0) if self.lines else None


def rated(saved, *lines, name="ann", most=None, criteria=("behaviour", "coherence")):
    hand, rater = Hand(*lines), Rater(saved, name, criteria)
    return session(rater, hand.show, hand.ask, most), hand, rater


def test_scores_are_kept_for_every_row_of_a_text_and_never_asked_again(saved):
    done, hand, rater = rated(saved, *["10", "1"] * 16)
    assert done == 16 and len({sheet.text for sheet in hand.seen}) == 16 and not rater.left()
    found = Judgements(saved.folder).of(rater.fingerprint)
    assert set(found) == {row.id for row in saved.rows}
    assert all(each.figures == {"behaviour": 1.0, "coherence": 0.0} for each in found.values())
    assert rated(saved, "10", "1")[0] == 0


def test_the_rater_sees_nothing_of_the_method(saved):
    _, hand, _ = rated(saved, "q")
    assert set(vars(hand.seen[0])) == {"concept", "prompt", "text", "number", "left"}


def test_the_order_is_random_and_each_raters_own(saved):
    texts = [row.text for row in saved.rows[:16]]
    orders = [[s.text for s in rated(saved, *["5"] * 32, name=name)[1].seen] for name in ("ann", "bob")]
    assert orders[0] != orders[1] and texts not in orders and sorted(orders[0]) == sorted(texts)


def test_quitting_and_going_on(saved):
    done, first, _ = rated(saved, "3", "4", "5", "q")
    assert done == 1
    done, second, _ = rated(saved, "3", "4", most=1)
    assert done == 1 and second.seen[0].text == first.seen[1].text
    assert rated(saved)[0] == 0  # the end of the input


def test_a_rating_is_taken_back(saved):
    done, hand, rater = rated(saved, "3", "4", "u", "9", "9", "q")
    assert done == 1 and hand.seen[0].text == hand.seen[2].text
    (found,) = {
        json.dumps(each.detail["scores"]) for each in Judgements(saved.folder).of(rater.fingerprint).values()
    }
    assert json.loads(found) == {"behaviour": 9, "coherence": 9}
    assert rated(saved, "u", "q", name="bob")[0] == 0


def test_what_was_taken_back_counts_nowhere(saved):
    done, _, rater = rated(saved, "3", "4", "u", "q")
    assert done == 0 and len(rater.left()) == 16 and not Judgements(saved.folder).of(rater.fingerprint)


def test_undo_within_a_text_begins_it_again(saved):
    done, _, rater = rated(saved, "3", "u", "7", "8", "q")
    assert done == 1
    (scores,) = {
        each.figures["behaviour"] for each in Judgements(saved.folder).of(rater.fingerprint).values()
    }
    assert scores == pytest.approx(6 / 9)


def test_a_text_left_for_later_comes_again(saved):
    done, hand, _ = rated(saved, "s", *["5"] * 32)
    assert done == 16 and hand.seen[0].text == hand.seen[-1].text


def test_other_lines_are_asked_again(saved):
    done, _, _ = rated(saved, "0", "11", "seven", "", " 7 \n", "8\n", "q")
    assert done == 1
    (found,) = {json.dumps(each.detail["scores"]) for each in Judgements(saved.folder).read()}
    assert json.loads(found) == {"behaviour": 7, "coherence": 8}


def test_raters_that_cannot_be_meant(saved):
    for name, criteria in (("", ("a",)), ("a\n", ("a",)), ("ann", ()), ("ann", ("a", "a"))):
        with pytest.raises(InputError):
            Rater(saved, name, criteria)
