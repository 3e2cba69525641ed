"""Whole experiments on the world, few texts each: resumed, in processes, with failures, over seeds."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from saesteer.cli.main import main
from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation import Setting, compare_rows_with
from saesteer.pipeline.experiment import load_run, prepare, report_of, run_experiment
from saesteer.pipeline.experiment.result import COSTS, REPORT, RUN, TABLE
from saesteer.pipeline.experiment.telling import cost_of, judgements_that_failed
from saesteer.pipeline.experiment.versus import comparisons
from saesteer.report.comparison import unlike_first
from saesteer.runs import Journal
from saesteer.steering.units import TEXTS
from tests.cli.tiny import environment
from tests.pipeline.experiment.small import PROMPTS, SEA, WEDDING, samples_of, small, write_spec, write_task

TWO = small(
    concepts=[SEA, WEDDING],
    methods=["diffmean", {"method": "sae_decoder", "sae": "s"}, "random_direction", "prompting"],
    strengths=[0.3],
    seeds=[0, 5],
    judges=["regex:sea|ship"],
    side_effects={"tokens": 6, "count": 3},
)
FAILING = {"method": "sae_decoder", "name": "mine", "options": {"latent": 10**6}}
"""A latent that the SAE has not, which only the method finds out."""
BRIEF = small(concepts=[SEA, WEDDING], strengths=[0.3])
RUN_IT = """
import sys, json
from saesteer.pipeline.experiment import run_experiment
if __name__ == "__main__":
    run_experiment(json.loads(sys.argv[1]), sys.argv[2], processes=int(sys.argv[3]))
"""


def started(tmp_path, config, out, processes=1):
    """A real process that runs it."""
    script = tmp_path / "run_it.py"
    script.write_text(RUN_IT)
    words = [sys.executable, str(script), json.dumps(config), str(out), str(processes)]
    return subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An unbroken run in one process."""
    return run_experiment(TWO, tmp_path_factory.mktemp("whole"), command="saesteer run x.yaml")


@pytest.fixture(scope="module")
def brief(tmp_path_factory):
    """The same of a shorter one."""
    return run_experiment(BRIEF, tmp_path_factory.mktemp("brief"))


def children(pid):
    """The processes that a process started, but for the tracker of resources."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.slow  # eight cells of a real model
def test_a_run_holds_every_sample_and_every_file(whole):
    assert not whole.failures and len(whole.cells) == 8
    for cell in whole.cells:
        tried = {(r.strength, r.variant, r.prompt, r.seed, r.sample) for r in cell.tried.rows}
        variants = len({row.variant for row in cell.tried.rows})
        assert len(tried) == len(cell.tried.rows) == 2 * 2 * variants
        assert {row.half for row in cell.tried.rows} == {"selection"}
        assert {(row.prompt, row.seed) for row in cell.tested.rows} == {
            (p, s) for p in PROMPTS if p not in {r.prompt for r in cell.tried.rows} for s in (0, 5)
        }
        assert len(cell.judgements()) == len(cell.tested.rows)
        assert cell.beside.seeds == (2 if cell.method.name == "random_direction" else 1)
        plain, other = cell.beside.summary
        assert (plain.strength, plain.read, plain.written) == (0.0, 3, 2)
        assert (other.read, other.written) == (3, 2) and other.figures["kl"].estimate > 0
    assert len(whole.base.rows) == 2 * 4 * 2 and len({row.text for row in whole.base.rows}) > 6
    page = (whole.folder / REPORT).read_text(encoding="utf-8")
    assert "world/sea" in page and "saesteer run x.yaml" in page


@pytest.mark.slow
def test_markdown_and_figures_lie_beside_the_page(whole):
    text = (whole.folder / "report.md").read_text(encoding="utf-8")
    figures = sorted(each.name for each in (whole.folder / "figures").iterdir())
    assert {"overview.svg", "overview.png", "heat.svg"} <= set(figures)
    shown = [each for each in figures if each.endswith(".svg")]
    assert shown and all(f"figures/{each}" in text for each in shown)
    assert 'href="report.md"' in (whole.folder / REPORT).read_text(encoding="utf-8")


def test_methods_of_a_run_meet_in_a_tournament(whole, capsys):
    assert (
        main(["tournament", str(whole.folder), "oracle", "--by", "method", "--samples", "1", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)["tournament"]
    chosen = {each.method.name for each in whole.cells if each.tested is not None}
    assert {each["name"] for each in found["ratings"]} == chosen and len(chosen) > 2


def test_further_judges_and_people_judge_the_texts_of_a_run(brief, tmp_path, capsys, monkeypatch):
    """Each beside its own texts, and together as if the run were one sweep; people see no method."""
    out = tmp_path / "run"
    shutil.copytree(brief.folder, out)
    cells = [each for each in brief.cells if each.tested is not None]
    rows = sum(len(each.tested.rows) for each in cells)
    assert main(["judge", str(out), "regex:a", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == rows and told["failed"] == 0 and len(told["files"]) == len(cells) > 1
    monkeypatch.setattr("sys.stdin", io.StringIO("5\n7\n" * rows))
    assert main(["rate", str(out), "--rater", "ann", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["left"] == 0
    assert not any(each.method.name in captured.err for each in cells)
    assert main(["agree", str(out), "--figures", "behaviour", "--json"]) == 0
    pairs = json.loads(capsys.readouterr().out)["agreement"]["pairs"]
    assert {(each["one"], each["other"].split(" ")[0]) for each in pairs} >= {
        ("oracle", "regex"),
        ("oracle", "human"),
    }
    assert all(each["rows"] == rows for each in pairs)
    for cell in cells:
        lines = (out / cell.folder / "tested" / "judgements.jsonl").read_text().splitlines()
        own = {row.id for row in cell.tested.rows}
        assert {json.loads(each)["row"] for each in lines} == own


def test_judges_are_closed_when_it_is_done(tmp_path, monkeypatch):
    from saesteer.judges.regex import RegexJudge

    closed = []
    monkeypatch.setattr(RegexJudge, "close", lambda self: closed.append(self), raising=False)
    run_experiment(small(concepts=[SEA], methods=["prompting"], judges=["regex:sea"]), tmp_path)
    assert len(closed) == 1


def test_less_of_a_behaviour_is_chosen_and_reported(tmp_path):
    """The weaker of two strengths, the other of which brings the concept about."""
    config = {
        "concepts": ["world/wedding"],
        "methods": ["diffmean"],
        "strengths": [0.01, 0.4],
        "coherence": 0.0,
    }
    config |= {"writing": {"max_new_tokens": 30}, "prompts": 8}
    found = {aim: run_experiment(small(**config, aim=aim), tmp_path / aim) for aim in ("more", "less")}
    chosen = {aim: each.cells[0].record["chosen"]["strength"] for aim, each in found.items()}
    assert chosen == {"more": 0.4, "less": 0.01}
    record = report_of(found["less"])
    assert record.aim == "less" and ("aim", "less of the behaviour") in record.asked
    assert ("coherence", "none asked for") in record.asked


def test_prompts_needed_are_for_all_comparisons_together(whole):
    run = load_run(whole.folder)
    found = [each for each in comparisons(run) if each.needed is not None]
    assert len(found) >= 2
    for each in found:
        cells = {cell.method.name: cell for cell in run.of(each.concept)}
        one, other = cells[each.one], cells[each.other]
        settings = [Setting(**cell.record["chosen"]) for cell in (other, one)]
        (alone,) = compare_rows_with(
            [*one.tested.rows, *other.tested.rows], settings[0], settings[1:], "behaviour", half="test"
        )
        assert each.needed == alone.power.needed_at(0.05 / 6) > alone.power.needed


def test_the_report_is_of_the_rows_on_the_disk(whole):
    record = report_of(load_run(whole.folder))
    for concept in record.concepts:
        assert {method.role for method in concept.methods} == {"steering", "control", "prompting"}
        for method in concept.methods:
            assert (whole.folder / method.rows).is_file() and (whole.folder / method.tried).is_file()
            assert [(each.seed, each.samples) for each in method.seeds] == [(0, 2), (5, 2)]
            assert method.outcome.figures.seeds == 2 and method.outcome.figures.samples == 4
            assert [(each.judge, each.samples, each.failed) for each in method.judges] == [
                ("regex", 4, 0)
            ] or (method.judges[0].samples == 4)
            assert {"kl", "perplexity", "drift_share"} <= set(method.beside.figures)
            assert method.beside.written == 2 and (whole.folder / method.beside.rows).is_file()
            assert method.beside.seeds == (2 if method.role == "control" else 1)
    (note,) = (each for each in record.notes if each.startswith("Side effects"))
    assert note == (
        "Side effects of random direction are of all 2 seeds together; those of other methods are of one."
    )
    sea = record.concepts[0]
    assert {"sea", "ship"} & set(sea.words)
    # Two steering methods: each is met by the other and by prompting; of the best only the latter.
    assert [(each.one, each.other) for each in record.versus if each.concept == "world/sea"].count(
        ("diffmean", "prompting")
    ) == 1
    assert len(record.versus) == 2 * 3 and all(each.p_adjusted >= each.p for each in record.versus)
    assert all(each.seeds == 2 and each.samples > 0 and each.failed == 0 for each in record.versus)
    assert record.cost.texts == record.cost.estimated["texts"] > 0 and record.cost.seconds > 0
    assert 0 < record.cost.tokens <= record.cost.estimated["tokens"]
    assert not record.failures and ("seeds", "0, 5") in record.asked


@pytest.mark.slow
def test_the_table_has_a_row_per_cell(whole):
    rows = list(csv.DictReader((whole.folder / TABLE).read_text(encoding="utf-8").splitlines()))
    assert [(row["concept"], row["method"]) for row in rows] == [
        (c.concept, c.method.name) for c in whole.cells
    ]
    for row in rows:
        assert float(row["behaviour_low"]) <= float(row["behaviour"]) <= float(row["behaviour_high"])
        assert (row["samples"], row["failed"], row["seeds"]) == ("4", "0", "2")
        assert row["beside_seeds"] == ("2" if row["method"] == "random_direction" else "1")
        assert float(row["beside_kl"]) > 0


@pytest.mark.slow
def test_a_finished_run_is_found_again_and_nothing_is_written_twice(whole):
    before = {
        path: path.stat().st_mtime_ns for path in whole.folder.rglob("rows.parquet") if "parts" in str(path)
    }
    prepared = prepare(TWO, whole.folder)
    assert not prepared.left and prepared.estimate().texts == 0
    again = prepared.run()
    assert samples_of(again) == samples_of(whole)
    assert before == {path: path.stat().st_mtime_ns for path in before}


@pytest.mark.slow  # processes of their own
def test_a_run_that_was_killed_goes_on_to_the_same_rows(brief, tmp_path):
    """Killed with its two workers at work, gone on with by one process."""
    out = tmp_path / "run"
    process = started(tmp_path, BRIEF, out, 2)
    deadline = time.monotonic() + 240
    while not list(out.glob("samples/*/*/cell.json")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = list(out.glob("samples/*/*/cell.json"))
    assert process.returncode == -signal.SIGKILL and 1 <= len(done) < 4
    while [each for each in workers if alive(each)]:
        assert time.monotonic() < deadline, "the workers go on behind the next run's back"
        time.sleep(0.05)
    stamps = {path: path.stat().st_mtime_ns for path in done}
    found = run_experiment(BRIEF, out)
    assert samples_of(found) == samples_of(brief)
    assert stamps == {path: path.stat().st_mtime_ns for path in done}
    about = json.loads((out / RUN).read_text())
    assert len(about["attempts"]) == 2 and "finished" not in about["attempts"][0]


@pytest.mark.slow  # processes of their own
def test_two_processes_do_what_one_does(brief, tmp_path):
    found = run_experiment(BRIEF, tmp_path / "run", processes=2)
    assert samples_of(found) == samples_of(brief)
    assert [each["processes"] for each in found.about["attempts"]] == [2]


@pytest.mark.slow
def test_a_worker_that_dies_takes_its_cell_alone(tmp_path):
    """os._exit in the middle of a method, as a lack of memory would end it."""
    deadly = tmp_path / "deadly.py"
    deadly.write_text("import os\n\ndef deadly(lm, concept, at):\n    os._exit(9)\n")
    script = tmp_path / "run_it.py"
    register = "from saesteer.methods import METHODS\nMETHODS.register('deadly', 'deadly:deadly')\n"
    script.write_text(register + RUN_IT)
    config = small(methods=["deadly", "random_direction"], strengths=[0.3])
    env = environment()
    env["PYTHONPATH"] += os.pathsep + str(tmp_path)
    words = [sys.executable, str(script), json.dumps(config), str(tmp_path / "run"), "2"]
    done = subprocess.run(words, env=env, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    about = json.loads((tmp_path / "run" / RUN).read_text())
    assert [each["where"] for each in about["failures"]] == ["world/sea · deadly"]
    assert "its process died (exit code 9" in about["failures"][0]["what"]
    rows = list(csv.DictReader((tmp_path / "run" / TABLE).read_text().splitlines()))
    assert [(row["method"], bool(row["behaviour"])) for row in rows] == [
        ("random_direction", True),
        ("deadly", False),
    ]


def parts_of(folder):
    """How often each cell was begun."""
    return Counter(each["what"] for each in Journal(folder / COSTS) if each["what"].startswith("samples"))


def test_a_method_that_fails_is_told_and_tried_again(tmp_path):
    methods = ["random_direction", FAILING]
    found = run_experiment(small(methods=methods), tmp_path / "run")
    assert [each.method.name for each in found.failures] == ["mine"] and found.failures[0].error
    record = report_of(found)
    assert [each.method for each in record.concepts[0].methods] == ["random_direction"]
    assert [(each.where, each.count, each.of) for each in record.failures] == [("world/sea · mine", 1, 1)]
    assert record.failed("world/sea", "mine") and not record.failed("world/sea", "diffmean")
    rows = list(csv.DictReader((tmp_path / "run" / TABLE).read_text().splitlines()))
    assert [bool(row["error"]) for row in rows] == [False, True]
    assert parts_of(tmp_path / "run") == {"samples/sea/random_direction": 1, "samples/sea/mine": 1}
    run_experiment(small(methods=methods), tmp_path / "run")  # nothing is mended: it is tried all the same
    assert parts_of(tmp_path / "run") == {"samples/sea/random_direction": 1, "samples/sea/mine": 2}
    good = next((tmp_path / "run").glob("samples/sea/random_direction/specs/spec-*/spec.yaml"))
    methods[1] = {"spec": str(good), "name": "mine"}
    again = run_experiment(small(methods=methods), tmp_path / "run")
    assert not again.failures and len(report_of(again).concepts[0].methods) == 2
    assert parts_of(tmp_path / "run") == {"samples/sea/random_direction": 1, "samples/sea/mine": 3}


def test_a_run_without_any_result_says_why(tmp_path):
    found = run_experiment(small(concepts=[SEA, WEDDING], methods=[FAILING]), tmp_path / "run")
    assert len(found.failures) == 2
    rows = list(csv.DictReader((tmp_path / "run" / TABLE).read_text().splitlines()))
    assert [(row["concept"], row["method"]) for row in rows] == [
        ("world/sea", "mine"),
        ("world/wedding", "mine"),
    ]
    assert all("latent" in row["error"] for row in rows)
    record = report_of(found)
    assert [(each.name, each.methods) for each in record.concepts] == [
        ("world/sea", ()),
        ("world/wedding", ()),
    ]
    assert [each.where for each in record.failures] == ["world/sea · mine", "world/wedding · mine"]
    for page in (REPORT, "report.md"):
        text = (tmp_path / "run" / page).read_text(encoding="utf-8")
        assert "no method came to one on any concept" in text and "What failed" in text
        assert str(record.failures[0].what)[:30] in text and "0 of" not in text.split("What failed")[0]
    assert main(["report", str(tmp_path / "run")]) == 0


def test_seeds_are_pooled_and_a_method_that_takes_one_is_built_for_each(tmp_path):
    config = small(methods=["random_direction"], seeds=[1, 2], strengths=[0.3])
    (cell,) = run_experiment(config, tmp_path / "run").cells
    specs = [yaml.safe_load(path.read_text()) for path in (tmp_path / "run").rglob("spec.yaml")]
    assert sorted(each["provenance"]["seed"] for each in specs) == [1, 2]
    assert [row.seed for row in cell.tested.rows] == [1, 1, 2, 2]
    assert (
        len({row.setting for row in cell.tested.rows}) == 1 and len({row.id for row in cell.tested.rows}) == 4
    )
    other = run_experiment(
        small(methods=["random_direction"], strengths=[0.3], seeds=[2]), tmp_path / "other"
    )
    pooled = [row for row in samples_of(load_run(tmp_path / "run")) if row.seed == 2 and row.method != "base"]
    assert pooled == [row for row in samples_of(other) if row.method != "base"]


def test_latents_of_tasks_are_steered_with(tmp_path):
    root = write_task(tmp_path, "sea", latents=7)
    write_task(tmp_path, "bare", texts=False, latents=7)
    methods = [
        {"method": "sae_decoder", "name": "latents", "from": "features", "strengths": [0.2]},
        {"method": "caa", "strengths": [0.2]},
        {"method": "random_direction", "strengths": [0.2]},
    ]
    config = small(concepts={"tasks": str(root)}, methods=methods, saes={}, judge="regex:sea", strengths=[])
    found = run_experiment(config, tmp_path / "run")
    specs = {
        f"{p.parents[3].name}/{p.parents[2].name}": yaml.safe_load(p.read_text())
        for p in (tmp_path / "run").rglob("spec.yaml")
    }
    assert specs["sea/latents"]["provenance"]["latents"] == [[7, 1.0]]
    on = {name: each["interventions"][0]["strength"]["measured_on"]["texts"] for name, each in specs.items()}
    # A task without texts has its unit from the package's plain ones.
    assert on == {
        "sea/latents": 4, "sea/caa": 4, "sea/random_direction": 4,
        "bare/latents": len(TEXTS), "bare/random_direction": len(TEXTS),
    }  # fmt: skip
    assert {each["interventions"][0]["hookpoint"] for each in specs.values()} == {"layers.3"}
    assert not found.failures


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no folder of saesteer run"):
        load_run(tmp_path)


def test_a_changed_file_behind_a_name_is_seen(tmp_path):
    """A spec under the same name with other content is another experiment."""
    write_spec(tmp_path / "a.yaml")
    config = small(methods=[{"spec": str(tmp_path / "a.yaml")}])
    before = prepare(config, tmp_path / "run").plan.cells[0].digest
    assert prepare(config, tmp_path / "run").plan.cells[0].digest == before
    write_spec(tmp_path / "a.yaml", value=2.0)
    assert prepare(config, tmp_path / "run").plan.cells[0].digest != before


def test_what_another_experiment_took_in_this_folder_is_no_cost_of_this_one(tmp_path):
    first = run_experiment(small(concepts=[SEA], methods=["prompting"], seeds=[3]), tmp_path)
    took = cost_of(first)
    again = run_experiment(small(concepts=[SEA], methods=["prompting"], seeds=[4]), tmp_path)
    assert cost_of(again).texts == took.texts > 0
    assert cost_of(again).seconds < sum(each.get("seconds", 0) for each in Journal(tmp_path / COSTS))


def test_what_lies_there_of_another_experiment_is_none_of_this_one(tmp_path):
    """Broken off before its own texts, then before its second cell."""
    out = tmp_path / "run"
    run_experiment(small(strengths=[0.2]), out)
    other = small(strengths=[0.3], seeds=[1])

    def stop(at):
        def report(what, done, total):
            if what.startswith(at):
                raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        run_experiment(other, out, report=stop("the plain model"))
    with pytest.raises(InputError, match="not come to its first results"):
        load_run(out)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(other, out, report=stop("world/sea · random_direction"))
    done, left = load_run(out).cells
    assert {(row.seed, row.strength) for row in done.tried.rows} == {(1, 0.3)}
    assert left.tried is None and left.error == "not done yet; run it again"


def test_a_judge_without_coherence_is_refused_before_any_method_is_tried(tmp_path):
    prepared = prepare(small(judge="regex:sea", coherence=0.5), tmp_path / "run")
    with pytest.raises(InputError, match="the judge gives no coherence"):
        prepared.rate()
    with pytest.raises(InputError, match="the judge gives no coherence"):
        prepared.run()
    assert not (tmp_path / "run" / "samples").exists()


def test_judges_of_one_name_are_told_apart(tmp_path):
    """In a run's table, and between runs."""
    one, other = "regex:the", "regex[per=sentence]:the"
    config = small(methods=["diffmean"], strengths=[0.3], judges=[one, other])
    (by, another) = report_of(run_experiment(config, tmp_path / "run")).concepts[0].methods[0].judges
    assert by.judge != another.judge and all("regex (the)" in each.judge for each in (by, another))
    header = (tmp_path / "run" / TABLE).read_text().splitlines()[0]
    assert f"{by.judge}: behaviour," in header and f"{another.judge}: behaviour," in header
    alone = config | {"judges": []}
    runs = {
        each: report_of(run_experiment(alone | {"judge": each}, tmp_path / f"run{len(each)}"))
        for each in (one, other)
    }
    assert unlike_first(runs, other) == ["judge"]


def test_what_a_judge_asks_is_counted_beside_what_was_foretold(tmp_path):
    judge = {"judge": "llm", "client": "oracle"}
    config = small(methods=["random_direction"], strengths=[0.3], judges=[judge], samples={"test": 2})
    prepared = prepare(config, tmp_path / "run")
    found = prepared.run(foretold=prepared.estimate())
    record = report_of(found)
    (by,) = record.concepts[0].methods[0].judges
    assert (by.samples, by.failed) == (4, 0) and {"behaviour", "coherence"} == set(by.figures) == set(by.base)
    assert 0 < record.cost.requests <= record.cost.estimated["requests"] == 2 * (4 + 4 * 8)
    again = prepare(config, tmp_path / "run").run()
    assert report_of(again).cost.requests == record.cost.requests
    assert report_of(again).cost.estimated == record.cost.estimated


def test_what_a_further_judge_says_of_the_plain_model_links_to_its_own_file(tmp_path):
    """Nobody answers at that address: its failures on those texts are told too."""
    client = {"client": "openai:m@http://127.0.0.1:9/v1", "retries": 0}
    judges = ["regex:the", {"judge": "llm", "client": client}]
    found = run_experiment(small(methods=["random_direction"], judges=judges), tmp_path / "run")
    record = report_of(found)
    by, silent = record.concepts[0].methods[0].judges
    assert by.base_rows == "plain/judgements.jsonl" and by.base_rows != by.rows
    said = {each["row"] for each in Journal(found.folder / by.base_rows)}
    assert said == {row.id for row in found.base.rows} and not silent.figures and not silent.base
    told = {each.where: each for each in record.failures}
    assert told["the plain model"].rows == by.base_rows
    assert told["the plain model"].count == told["the plain model"].of == len(found.base.rows)


def test_a_sweep_of_which_every_judgement_failed_is_not_kept(tmp_path):
    """Nobody answers at that address."""
    client = {"client": "openai:m@http://127.0.0.1:9/v1", "retries": 0}
    with pytest.raises(SaesteerError, match="all 4 judgements failed"):
        run_experiment(small(judge={"judge": "llm", "client": client}), tmp_path / "run")
    assert not list((tmp_path / "run" / "plain").rglob("sweep-*"))


def test_a_tuned_model_is_swept_and_kept(tmp_path):
    methods = [{"method": "finetune", "options": {"steps": 1}, "strengths": [0.5]}]
    found = run_experiment(small(methods=methods, side_effects=True), tmp_path / "run")
    (cell,) = found.cells
    assert cell.error is None and {row.strength for row in cell.tested.rows} == {0.5}
    assert {row.strength for row in cell.beside.rows} == {0.0, 0.5}
    assert cell.beside.at(0.5).figures["kl"].estimate > 0 == cell.beside.at(0.0).figures["kl"].estimate
    made = list((tmp_path / "run").rglob("tuning.json"))
    stamp = made[0].stat().st_mtime_ns
    (tmp_path / "run" / cell.folder / "cell.json").unlink()
    again = run_experiment(small(methods=methods, side_effects=True), tmp_path / "run")
    assert samples_of(again) == samples_of(found)
    assert [each.stat().st_mtime_ns for each in (tmp_path / "run").rglob("tuning.json")] == [stamp]


def test_given_texts_are_what_steered_models_read(tmp_path):
    (tmp_path / "t.txt").write_text("The old man was tired.\nAnna saw the town.\nIt was late.\n")
    config = small(
        methods=["random_direction"], texts={"source": str(tmp_path / "t.txt"), "count": 2},
        side_effects={"tokens": 4}, strengths=[0.3],
    )  # fmt: skip
    (cell,) = run_experiment(config, tmp_path / "run").cells
    assert {row.text for row in cell.beside.rows if row.kind == "read"} == {
        "The old man was tired.",
        "Anna saw the town.",
    }
    assert {row.prompt for row in cell.beside.rows if row.kind == "written"} == {
        row.prompt for row in cell.tested.rows
    }


def test_judgements_that_failed_are_counted_by_what_was_said_first(brief):
    said = ["timed_out: a", "timed_out: b", "unparsed: c", None]
    rows = [
        replace(row, error=error, behaviour=None if error else row.behaviour)
        for row, error in zip(brief.base.rows, said, strict=False)
    ]
    assert [(each.count, each.of, each.what) for each in judgements_that_failed("x", rows, "a.parquet")] == [
        (2, 4, "a judgement failed: timed_out: a"),
        (1, 4, "a judgement failed: unparsed: c"),
    ]
