"""Another experiment in a folder that was used: what comes of it is what comes of a fresh folder."""

import json
import shutil

import pytest

from saesteer.errors import CorruptFile, SaesteerError
from saesteer.pipeline.experiment import load_run, prepare, run_experiment, running
from saesteer.pipeline.experiment.result import REPORT, TABLE, held
from tests.pipeline.experiment.small import PROMPTS, WEDDING, samples_of, small

OVER = small(methods=["diffmean"], strengths=[0.3])
FULL = small(methods=["sae_decoder"], strengths=[0.3], side_effects={"tokens": 4, "count": 2})
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


@pytest.fixture(scope="module")
def full_run(tmp_path_factory):
    """One that keeps everything a cell can keep."""
    out = tmp_path_factory.mktemp("full") / "run"
    run_experiment(FULL, out)
    return out


@pytest.mark.parametrize(
    "gone",
    [
        "tested/rows.parquet",
        "tried/provenance.json",
        "beside/rows.parquet",
        "latent.parquet",
        "plain/rows.parquet",
    ],
)
def test_a_finished_part_that_is_gone_is_made_anew(full_run, tmp_path, gone):
    out = tmp_path / "run"
    shutil.copytree(full_run, out)
    place = out if gone.startswith("plain") else out / "samples/sea/sae_decoder"
    if gone.startswith("beside"):  # of its own finished stage, which is thrown away as a whole
        beside = out / json.loads((place / "cell.json").read_text())["beside"]
        shutil.rmtree(beside)
    else:
        (place / gone).unlink()
    if not gone.startswith("plain"):
        assert [each.error for each in load_run(out).cells] == ["not done yet; run it again"]
    before = load_run(full_run)
    again = run_experiment(FULL, out)
    assert samples_of(again) == samples_of(before)
    assert [each.beside.rows for each in again.cells] == [each.beside.rows for each in before.cells]
    assert (out / "samples/sea/sae_decoder/latent.parquet").is_file()
    assert [each["what"] for each in again.costs].count("samples/sea/sae_decoder") == (
        1 if gone.startswith("plain") else 2
    )


def test_a_finished_part_that_was_changed_says_what_makes_it_anew(first_run, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(first_run, out)
    cell = out / "samples/sea/diffmean"
    rows = cell / "tested/rows.parquet"
    rows.write_bytes(rows.read_bytes() + b" ")
    with pytest.raises(CorruptFile) as caught:
        run_experiment(OVER, out)
    assert str(caught.value).endswith(f"delete {cell / 'cell.json'} and run the experiment again")
    (cell / "cell.json").unlink()
    assert samples_of(run_experiment(OVER, out)) == samples_of(load_run(first_run))


def test_cells_of_another_model_are_left_once_the_model_is_known(first_run, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(first_run, out)
    place = out / "samples/sea/diffmean/cell.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"model": "another"}))
    prepared = prepare(OVER, out)
    assert prepared.left == () and prepared.estimate().texts == 0
    prepared.check()  # loads the model
    assert prepared.left == prepared.plan.cells and prepared.estimate().texts == 4


def test_a_folder_in_which_another_process_works_is_refused_before_anything_is_loaded(
    first_run, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    shutil.copytree(first_run, out)
    monkeypatch.setattr(running, "open_model", lambda *given: pytest.fail("a model was loaded"))
    with held(out), pytest.raises(SaesteerError, match=f"another process works on {out}; wait for it"):
        run_experiment(OVER | {"seeds": [1]}, out)
    assert samples_of(load_run(out)) == samples_of(load_run(first_run))


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
