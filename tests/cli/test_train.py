"""`saesteer train`: a file, flags, both, JSON, and what is refused."""

import json

import pytest

from saesteer.saes import load_sae

SMALL = ("--tokens", "2e3", "--batch-tokens", 128)


def test_by_flags(run, place, tmp_path):
    given = (
        "train",
        "-m",
        place.model,
        "--texts",
        place.texts,
        "--at",
        "layers.1",
        "--at",
        "layers.3",
        *SMALL,
    )
    said = run(*given, "-a", "topk", "--d-sae", 64, "--d-sae", 96, "-k", 4, "-o", tmp_path / "run")
    assert said.code == 0 and said.err == "" and "layers.3/topk-96-k4" in said.out
    assert load_sae(tmp_path / "run" / "layers.1" / "topk-64-k4").cfg.k == 4
    rows = (tmp_path / "run" / "layers.1" / "topk-96-k4" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["tokens"] >= 2000
    again = run(*given, "-a", "topk", "--d-sae", 64, "--d-sae", 96, "-k", 4, "-o", tmp_path / "run", "--json")
    record = json.loads(again.out)
    assert list(record) == [
        "layers.1/topk-64-k4",
        "layers.1/topk-96-k4",
        "layers.3/topk-64-k4",
        "layers.3/topk-96-k4",
    ] or (sorted(record) == sorted({f"layers.{i}/topk-{d}-k4" for i in (1, 3) for d in (64, 96)}))
    assert record["layers.1/topk-64-k4"]["folder"].endswith("layers.1/topk-64-k4")


def test_by_a_file_with_settings_over_it(run, place, tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        f"model: {place.model}\ntexts: {place.texts}\nat: layers.2\ntokens: 1_000_000_000\n"
        "saes:\n  - {architecture: standard, d_sae: 64, l1: 2, report_tokens: 500}\n"
    )
    said = run("train", plan, *SMALL, "-o", tmp_path / "run", "--json")
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)["layers.2/standard-64"]
    assert record["tokens"] == 2048 and record["fvu"] > 0
    metadata = load_sae(tmp_path / "run" / "layers.2" / "standard-64").cfg.metadata
    assert metadata["training"]["form"] == {
        "name": "standard",
        "l1": 2.0,
        "l1_warmup_share": 0.05,
        "resample_tokens": None,
    }


def test_the_worlds_stories(run, place, tmp_path, monkeypatch):
    monkeypatch.setattr("saesteer.training.run.load_model", lambda *_, **__: _loaded(place))
    given = ("train", "--at", "layers.3", "-a", "jumprelu", "--d-sae", 64, "--set", "sparsity=0.1")
    said = run(*given, *SMALL, "-o", tmp_path / "run")
    assert said.code == 0, said.err
    sae = load_sae(tmp_path / "run" / "layers.3" / "jumprelu-64")
    assert sae.cfg.metadata["training"]["form"]["sparsity"] == 0.1


def test_several_architectures_from_one_pass(run, place, tmp_path, monkeypatch):
    monkeypatch.setattr("saesteer.training.run.load_model", lambda *_, **__: _loaded(place))
    both = ("-a", "topk", "-a", "batchtopk", "--d-sae", 64, "-k", 4)
    said = run("train", "--at", "layers.3", *both, *SMALL, "-o", tmp_path / "run", "--json")
    assert said.code == 0, said.err
    assert sorted(json.loads(said.out)) == ["layers.3/batchtopk-64-k4", "layers.3/topk-64-k4"]
    said = run("train", "--at", "layers.3", *both, "-a", "standard", *SMALL, "-o", tmp_path / "other")
    assert said.code == 2 and "unknown field of saes[0] 'k'" in said.err


def _loaded(place):
    from saesteer.model.loading import load_model

    return load_model(place.model)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ([], "--out is missing"),
        (["-o", "x"], "the plan: saes is missing"),
        (["-o", "x", "-k", 3], "--architecture is missing"),
        (["-o", "x", "-a", "topk", "-k", 3], "saes[0]: d_sae is missing"),
        (["-o", "x", "-a", "tpok", "--d-sae", 3], "did you mean 'topk'"),
        (["-o", "x", "-a", "topk", "--d-sae", 3, "-k", 4], "k is 4 but d_sae is only 3"),
        (["-o", "x", "-a", "topk", "--d-sae", 64, "-k", 4, "--set", "l1"], "--set is NAME=VALUE"),
        (["-o", "x", "-a", "topk", "--d-sae", 64, "-k", 4, "--set", "l1=3"], "unknown field of saes[0] 'l1'"),
        (
            ["-o", "x", "-a", "topk", "--d-sae", 64, "-k", 4, "--tokens", "lots"],
            "tokens is a whole number, got 'lots'",
        ),
        (["-o", "x", "-a", "topk", "--d-sae", 64, "-k", 4, "-m", "nowhere/at/all"], "nothing to train on"),
        (["nowhere.yaml", "-o", "x"], "there is no file nowhere.yaml"),
    ],
)
def test_what_is_refused(run, tmp_path, monkeypatch, line, expected):
    monkeypatch.chdir(tmp_path)
    said = run("train", *line)
    assert (said.code, said.out) == (2, "") and said.err.count("\n") == 1
    assert expected in said.err
    assert not (tmp_path / "x").exists()
