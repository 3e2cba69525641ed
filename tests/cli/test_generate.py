"""saesteer generate."""

import json

import pytest

from saesteer.cli.generate import _page
from saesteer.cli.terminal import console


@pytest.fixture(scope="module")
def spec(place, tmp_path_factory):
    from saesteer.cli.main import main

    out = tmp_path_factory.mktemp("spec") / "wedding.yaml"
    assert main(["steer", "world/wedding", "-m", place.model, "--out", str(out)]) == 0
    return out


def test_rows_steered_beside_unsteered(run, place, spec, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("The sea\nA dog\n")
    line = ("generate", "-m", place.model, "--spec", spec, "-p", "One day", "--prompts", prompts, "-n", 2)
    said = run(*line, "--max-new-tokens", 6, "--seed", 3, "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    where = [(row["prompt"], row["request"], row["sample"]) for row in record["rows"]]
    assert where == [(p, i, n) for i, p in enumerate(("One day", "The sea", "A dog")) for n in (0, 1)]
    assert any(row["steered"] != row["unsteered"] for row in record["rows"])
    assert json.loads(run(*line, "--max-new-tokens", 6, "--seed", 3, "--json").out) == record
    other = json.loads(run(*line, "--max-new-tokens", 6, "--seed", 4, "--json").out)
    assert other["rows"][0]["unsteered"] != record["rows"][0]["unsteered"]


def test_strength_0_is_the_plain_model(run, place, spec):
    line = ("generate", "-m", place.model, "--spec", spec, "-p", "One day", "--max-new-tokens", 6)
    said = run(*line, "--strength", 0, "--json")
    record = json.loads(said.out)
    assert record["strength"] == 0
    assert all(row["steered"] == row["unsteered"] for row in record["rows"])


def test_without_a_spec_the_model_as_it_is(run, place, spec):
    line = ("generate", "-m", place.model, "-p", "One day", "-n", 2, "--max-new-tokens", 6)
    plain = json.loads(run(*line, "--json").out)
    both = json.loads(run(*line, "--spec", spec, "--json").out)
    assert plain["spec"] is None and "steered" not in plain["rows"][0]
    texts = [[row["unsteered"] for row in each["rows"]] for each in (plain, both)]
    assert texts[0] == texts[1] and len(texts[0]) == 2
    shown = run(*line)
    assert (shown.code, shown.err) == (0, "") and shown.out.splitlines()[2].split() == ["unsteered"]
    said = run(*line, "--strength", 2)
    assert (said.code, said.out) == (2, "") and "--strength is of a spec; give --spec FILE" in said.err


def test_two_columns(run, place, spec):
    said = run("generate", "-m", place.model, "--spec", spec, "-p", "One day", "-n", 1, "--max-new-tokens", 4)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("One day")
    assert said.out.splitlines()[2].split() == ["unsteered", "steered"]


def test_texts_cannot_colour_the_terminal():
    rows = [
        {"request": 0, "prompt": "\x1b[1m[red]p", "unsteered": "\x1b[31mu[/red]", "steered": " [bold]s\x07"}
    ]
    with (out := console()).capture() as captured:
        out.print(*_page(rows))
    found = captured.get()
    assert "␛[1m[red]p" in found and "␛[31mu[/red]" in found and "[bold]s␇" in found
    assert "\x1b[31m" not in found and "\x07" not in found


def test_a_spec_for_another_model_needs_force(run, place, spec, tmp_path):
    other = tmp_path / "other.yaml"
    text = spec.read_text()
    fingerprint = text.split("fingerprint: ")[1].split()[0]
    other.write_text(text.replace(fingerprint, "f" * len(fingerprint), 1))
    for tensor in spec.parent.glob("*.safetensors"):
        (tmp_path / tensor.name).write_bytes(tensor.read_bytes())
    line = ("generate", "-m", place.model, "--spec", other, "-p", "One day", "-n", 1, "--max-new-tokens", 2)
    said = run(*line)
    assert (said.code, said.out) == (2, "") and "the spec was made for the model ffff" in said.err
    assert run(*line, "--force").code == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "there is no prompt; give --prompt TEXT or --prompts FILE"),
        (["-p", "a", "-n", "0"], "'-n'"),
        (["-p", "a", "--temperature", "inf"], "'--temperature': must be a finite number, got inf"),
        (["-p", "a", "--temperature", "-1"], "temperature is a number from 0 up, got -1"),
        (["-p", "a", "--max-new-tokens", "600"], "do not fit the model's 512 positions"),
        (["-p", "a\udcff"], "--prompt is not UTF-8"),
    ],
)
def test_what_cannot_be_meant(run, place, spec, options, expected):
    said = run("generate", "-m", place.model, "--spec", spec, *options)
    assert (said.code, said.out) == (2, "") and expected in said.err and said.err.count("\n") == 1
