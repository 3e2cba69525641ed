"""Another experiment in a folder that was used: what comes of it is what comes of a fresh folder."""

import shutil

import pytest

from saesteer.errors import CorruptFile
from saesteer.pipeline.experiment import load_run, run_experiment
from saesteer.pipeline.experiment.result import REPORT, TABLE
from tests.pipeline.experiment.small import PROMPTS, WEDDING, samples_of, small

OVER = small(methods=["diffmean"], strengths=[0.3])
CHANGES = [
    {"strengths": [0.25]},
    {"seeds": [1]},
    {"prompts": [*PROMPTS[:3], "She was old"]},
    {"samples": {"selection": 2, "test": 1, "base": 1}},
    {"judge": "regex:the"},
    {"judges": ["regex:the"]},
    {"concepts": [WEDDING]},
    {"methods": ["random_direction"]},
    {"methods": [{"method": "diffmean", "at": "layers.2"}]},
    {"side_effects": {"tokens": 4, "count": 2}},
    {"title": "Another"},
]


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """One that others are run over."""
    out = tmp_path_factory.mktemp("first") / "run"
    run_experiment(OVER, out)
    return out


@pytest.mark.parametrize("gone", ["tested/rows.parquet", "tried/provenance.json"])
def test_a_finished_part_that_is_gone_says_what_makes_it_anew(first_run, tmp_path, gone):
    out = tmp_path / "run"
    shutil.copytree(first_run, out)
    cell = out / "samples/sea/diffmean"
    (cell / gone).unlink()
    with pytest.raises(CorruptFile) as caught:
        run_experiment(OVER, out)
    assert str(caught.value).endswith(f"delete {cell / 'cell.json'} and run the experiment again")
    (cell / "cell.json").unlink()
    assert samples_of(run_experiment(OVER, out)) == samples_of(load_run(first_run))


@pytest.mark.slow  # three runs each
@pytest.mark.parametrize("change", CHANGES, ids=lambda each: next(iter(each)))
def test_a_field_changed_between_two_runs_leaves_nothing_of_the_first(first_run, tmp_path, change):
    """What comes of it is what comes of a fresh folder; a page of the first is not left beside it."""
    out = tmp_path / "run"
    shutil.copytree(first_run, out)
    config = OVER | change

    def stop(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_experiment(config, out, report=stop)
    assert not [each for each in (TABLE, REPORT, "report.md") if (out / each).exists()]
    assert not list((out / "figures").glob("*"))
    again, fresh = run_experiment(config, out), run_experiment(config, tmp_path / "fresh")
    assert samples_of(again) == samples_of(fresh)
    tables = [(each / TABLE).read_text() for each in (out, tmp_path / "fresh")]
    assert tables[0] == tables[1]
    pages = [
        sorted(each.name for each in (folder / "figures").iterdir()) for folder in (out, tmp_path / "fresh")
    ]
    assert pages[0] == pages[1]
    for one, two in zip(again.cells, fresh.cells, strict=True):
        assert one.judgements() == two.judgements() or change.get("judges")
        assert (one.beside and one.beside.rows) == (two.beside and two.beside.rows)
