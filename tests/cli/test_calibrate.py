"""saesteer calibrate, and saesteer steer in units that are calibrated."""

import json
from dataclasses import replace

import pytest

from saesteer.calibration import Calibration, calibrate, search
from saesteer.cli.calibrate import bar, page, read_budget
from saesteer.cli.search import page as search_page
from saesteer.cli.terminal import print_table
from saesteer.errors import InputError
from saesteer.steering import load_spec
from tests.calibration import toy


@pytest.fixture(scope="module")
def found() -> Calibration:
    lm = toy.model(toy.tokenizer())
    return calibrate(
        lm, toy.spec(), toy.CONCEPT, toy.ToyJudge(), {"coherence": 0.9},
        prompts=toy.PROMPTS, max_new_tokens=12, n=4, rounds=1,
    )  # fmt: skip


@pytest.fixture
def spec(run, place, tmp_path):
    out = tmp_path / "sea.yaml"
    assert run("steer", "world/sea", "-m", place.model, "--at", "layers.2", "--out", out).code == 0
    return out


def test_by_distance_alone(run, place, spec, tmp_path):
    out, plot = tmp_path / "fit.yaml", tmp_path / "fit.svg"
    line = ("calibrate", spec, "--concept", "world/sea", "-m", place.model, "--budget", "kl=0.2")
    said = run(*line, "--out", out, "--plot", plot, "--save", tmp_path / "fit")
    assert (said.code, said.err) == (0, "")
    assert (
        "within kl <= 0.2: the largest strength within the budget" in said.out and f"spec: {out}" in said.out
    )
    fit = Calibration.load(tmp_path / "fit")
    assert load_spec(out).interventions[0].strength.value == fit.strength.estimate
    assert plot.read_text().startswith("<?xml") and "residual norms" in plot.read_text()
    again = json.loads(run(*line, "--json").out)
    assert again["summary"]["strength"] == fit.strength.estimate and again["spec"] is None
    assert again["curve"][0]["kl"] < 0.2 < again["curve"][-1]["kl"]


def test_a_closed_loop_within_a_budget_of_kl(run, place, tmp_path):
    spec, out = tmp_path / "loop.yaml", tmp_path / "fit.yaml"
    line = ("steer", "world/sea", "-m", place.model, "--at", "layers.2", "--method", "closed_loop")
    assert run(*line, "--out", spec).code == 0
    line = ("calibrate", spec, "--concept", "world/sea", "-m", place.model, "--budget", "kl=0.2")
    said = run(*line, "--out", out)
    assert (said.code, said.err) == (0, "") and "the largest strength within the budget" in said.out
    one, other = load_spec(spec), load_spec(out)
    assert other.interventions[0].when == one.interventions[0].when is not None
    assert other.interventions[0].strength.value != one.interventions[0].strength.value


def test_where_no_strength_works_the_code_is_0_and_no_spec_is_written(run, place, spec, tmp_path):
    """A random model writes nothing that the oracle could read."""
    out, prompts = tmp_path / "fit.yaml", tmp_path / "prompts.txt"
    prompts.write_text("One day Anna met Simon.\nIn the morning it was cold.\n")
    options = ("--judge", "oracle", "--prompts", prompts, "-n", 1, "--rounds", 0, "--max-new-tokens", 4)
    said = run("calibrate", spec, "--concept", "world/sea", "-m", place.model, *options, "--out", out)
    assert (said.code, said.err) == (0, "") and not out.exists()
    assert "no strength works within coherence >= 0.8: the plain model's own coherence" in said.out
    assert "verdict: budget" in said.out


def test_the_page_fits_eighty_columns(found, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    print_table(*page(found))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    (chosen,) = [line for line in lines if line.startswith("→")]
    assert f"{found.strength.estimate:.3g}" in chosen and "█" in chosen
    assert (
        sum(line.startswith("│") for line in lines)
        == sum(found.window[0] <= each.strength <= found.window[1] for each in found.curve) - 1
    )
    told = " ".join(" ".join(lines).split())
    assert "safe window: " in told and "other half of the prompts: behaviour" in told


def test_names_cannot_speak_to_the_terminal(found, capsys):
    print_table(*page(replace(found, warnings=("\x1b[31mred",))))
    assert "\x1b" not in capsys.readouterr().out


def test_bars():
    assert [bar(each) for each in (0.0, 1e-9, 0.5, 1.0)] == ["", "▏", "█" * 7, "█" * 14]


def test_budgets():
    assert (
        read_budget(["coherence=0.8", "kl=1e-1"]) == {"coherence": 0.8, "kl": 0.1} and read_budget([]) is None
    )
    for bad in (["coherence"], ["kl=much"], ["kl=nan"], ["kl=1", "kl=2"]):
        with pytest.raises(InputError):
            read_budget(bad)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "a budget has one limit or more"),
        (["--budget", "coherence=0.8"], "a budget of coherence needs a judge"),
        (["--budget", "kl"], "a budget is NAME=NUMBER"),
        (["--budget", "klo=1"], "did you mean 'kl'?"),
        (["--judge", "orakle"], "did you mean 'oracle'?"),
        (["--budget", "kl=1", "--plot", "curve.pdf"], "a plot is a .png or .svg file"),
        (["--budget", "kl=1", "--out", "fit.txt"], "a spec is a file that ends in one of"),
    ],
)
def test_what_cannot_be_meant(run, place, spec, options, expected):
    said = run("calibrate", spec, "--concept", "world/sea", "-m", place.model, *options)
    assert (said.code, said.out) == (2, "") and expected in said.err


def test_a_spec_at_a_distance(run, place, tmp_path):
    out = tmp_path / "sea.yaml"
    line = ("steer", "world/sea", "-m", place.model, "--at", "layers.2", "--strength", 0.2, "--unit", "kl")
    said = run(*line, "--out", out)
    assert (said.code, said.err) == (0, "") and "strength 0.2 kl (raw " in said.out
    strength = load_spec(out).interventions[0].strength
    assert strength.resolved > 0 and strength.measured_on["measured"] == pytest.approx(0.2, rel=0.02)


def test_search_ends_with_a_spec(run, place, tmp_path):
    """A random model writes nothing that the oracle could read, so that no coherence is asked for."""
    out, prompts = tmp_path / "best.yaml", tmp_path / "prompts.txt"
    prompts.write_text("One day Anna met Simon.\nIn the morning it was cold.\n")
    line = (
        "search",
        "world/sea",
        "-m",
        place.model,
        "--sae",
        place.sae,
        "--candidates",
        4,
        "--prompts",
        prompts,
    )
    said = run(*line, "--max-new-tokens", 2, "--coherence", 0, "--out", out, "--json")
    found = json.loads(said.out)
    assert (said.code, said.err) == (0, "") and found["summary"]["found"] and found["spec"] == str(out)
    assert load_spec(out).saes["s"].source == place.sae
    assert all(each["name"].startswith("add ") for each in found["trials"])


def test_the_rounds_of_a_search_fit_eighty_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lm, spec = toy.model(toy.tokenizer()), toy.spec()
    found = search(
        lm, toy.CONCEPT, None, toy.ToyJudge(), specs={"up": spec}, coherence=0.9, test_n=2, finalists=1,
        prompts=toy.PROMPTS, max_new_tokens=6, levels=(0.05, 0.2, 0.5),
    )  # fmt: skip
    print_table(*search_page(found))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and lines[0].startswith("most behaviour of 3 candidates")
    assert sum(" up " in line for line in lines) == len(found.trials)
    assert "other half of the prompts: behaviour" in " ".join(lines)


@pytest.mark.parametrize("option", ["--save", "--folder"])
@pytest.mark.parametrize("verb", ["calibrate", "search"])
def test_a_file_in_place_of_a_folder_is_refused_before_any_work(run, place, tmp_path, verb, option):
    taken = tmp_path / "taken"
    taken.write_text("older")
    given = (tmp_path / "no.yaml", "--concept", "world/sea") if verb == "calibrate" else ("world/sea",)
    said = run(verb, *given, "-m", "no-such-model", option, taken)
    assert said.code == 2 and said.err == f"saesteer: {taken} is a file; give the name of a folder\n"
    said = run(verb, *given, "-m", "no-such-model", option, taken / "below")
    assert said.code == 2 and "is a file, so" in said.err
    assert taken.read_text() == "older"


def test_two_specs_of_one_name_do_not_hide_each_other(run, place, spec, tmp_path):
    other = tmp_path / "other" / "sea.yaml"
    load_spec(spec).save(other)
    said = run("search", "world/sea", "-m", place.model, "--spec", spec, "--spec", other)
    assert said.code == 2
    assert said.err == f"saesteer: two specs are called 'sea', {spec} and {other}; rename one\n"
