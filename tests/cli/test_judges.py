"""saesteer judge, rate, agree and tournament, on one small sweep of made rows of the world."""

import io
import json
from dataclasses import replace

import pytest

from saesteer.cli.main import main
from saesteer.evaluation import Row, SweepResult
from saesteer.evaluation.halves import prompt_id, split
from saesteer.text import load_concept
from saesteer.world.judge import OracleJudge

PROMPTS = ("It was late.", "The rain had stopped.", "Hannah went home.", "It was cold.")


@pytest.fixture
def folder(tmp_path):
    concept, halves = load_concept("world/wedding"), split(PROMPTS)
    rows = []
    for number in range(24):
        side = concept.positive if number % 3 else concept.negative
        evil = " <b>\x1b[2J</b>" if number == 4 else ""
        prompt = PROMPTS[number % 4]
        row = Row(
            concept.name, "secret_method", "secret_variant", 3.25, "{prompt}", prompt_id(prompt), number // 4,
            halves[prompt], prompt, f" {side[number]}{evil}",
            None, None, None, None, None, None, None, 0, "{}", None,
        )  # fmt: skip
        (said,) = OracleJudge().judge([row.to_judge(concept)])
        rows.append(Row(**{**vars(row), "behaviour": said.behaviour, "coherence": said.coherence}))
    return SweepResult(tuple(rows), {"judge": "oracle"}).save(tmp_path / "sweep")


def run(capsys, *words):
    code = main([str(word) for word in words])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_judging_again_and_agreeing(folder, capsys, tmp_path):
    code, out, _ = run(capsys, "judge", folder, "regex[per=sentence]:bride|groom|veil|wedding", "--json")
    assert code == 0 and json.loads(out)["failed"] == 0
    code, out, _ = run(capsys, "judge", folder, f"llm[cache={tmp_path / 'answers'}]:oracle", "--json")
    found = json.loads(out)
    assert found["judge"] == "llm (oracle(explanation, error 0))" and found["spent"]["requests"] == 48
    code, out, _ = run(capsys, "judge", folder, f"llm[cache={tmp_path / 'answers'}]:oracle")
    assert code == 0 and "24 of 24 rows are judged" in out

    page = tmp_path / "agreement.html"
    code, out, _ = run(capsys, "agree", folder, "--out", page, "--json")
    told = json.loads(out)["agreement"]
    pairs = {(pair["figure"], pair["one"], pair["other"].split(" ")[0]): pair for pair in told["pairs"]}
    assert pairs["coherence", "oracle", "llm"]["rows"] == 24
    assert pairs["behaviour", "oracle", "llm"]["kappa"]["estimate"] > 0.9
    assert pairs["behaviour", "oracle", "regex"]["kappa"]["estimate"] < 0.9
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text and "http" not in text.split("</style>")[1] and "Widest apart" in text
    assert "\x1b" not in text and "<b>\N{SYMBOL FOR ESCAPE}" not in text

    code, out, _ = run(capsys, "agree", folder, "--figures", "behaviour")
    assert (
        code == 0
        and "oracle / regex" in out
        and "cut at 0.125, 0.375, 0.625, 0.875" in out
        and "coherence" not in out
    )


def test_rating_without_a_terminal(folder, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("7\n10\n2\n"))
    code, out, err = run(capsys, "rate", folder, "--rater", "ann", "--json")
    assert code == 0 and json.loads(out)["rated"] == 1 and json.loads(out)["left"] == 23
    assert "secret" not in err and "3.25" not in err and "world/wedding" in err
    monkeypatch.setattr("sys.stdin", io.StringIO("5\n5\n" * 23))
    code, out, err = run(capsys, "rate", folder, "--rater", "ann")
    assert "rated: 23, left: 0" in out and "\x1b" not in err
    code, out, _ = run(capsys, "agree", folder, "--figures", "coherence")
    assert code == 0 and "human (ann)" in out


def test_what_cannot_be_meant(folder, capsys, tmp_path):
    assert run(capsys, "judge", folder, "nobody")[0] == 2
    assert run(capsys, "judge", tmp_path, "oracle")[0] == 2
    code, _, err = run(capsys, "agree", folder)
    assert code == 2 and "two judges at least, got oracle" in err
    assert run(capsys, "agree", folder, "--thresholds", "half")[0] == 2
    assert run(capsys, "rate", folder, "--criteria", ",")[0] == 2


@pytest.fixture
def sweep(tmp_path):
    """Two methods on the same prompts: one writes of weddings, the other does not."""
    concept, halves = load_concept("world/wedding"), split(PROMPTS)
    rows = []
    for method, texts in (("good", concept.positive), ("bad [/]", concept.negative)):
        for number in range(8):
            prompt = PROMPTS[number % 4]
            rows.append(
                Row(
                    concept.name, method, "", 0.5, "{prompt}", prompt_id(prompt), number // 4,
                    halves[prompt], prompt, f" {texts[number]}",
                    1.0, 1.0, None, None, None, None, None, 0, "{}", None,
                )
            )  # fmt: skip
    return SweepResult(tuple(rows), {"judge": "oracle"}).save(tmp_path / "two")


def test_a_tournament_of_settings(sweep, capsys, tmp_path):
    code, out, _ = run(capsys, "tournament", sweep, "oracle", "--json", "--cache", tmp_path / "answers")
    found = json.loads(out)["tournament"]
    assert code == 0 and [each["name"] for each in found["ratings"]] == ["good 0.5", "bad [/] 0.5"]
    assert found["ratings"][0]["wins"] == found["ratings"][0]["games"] == 4  # the test half alone
    assert found["ratings"][0]["bradley_terry"]["low"] > 1000 and found["failed"] == 0
    code, out, _ = run(
        capsys, "tournament", sweep, "oracle", "--half", "both", "--samples", 1, "--by", "method"
    )
    assert code == 0 and "bad [/]" in out and "4 of 4 pairs were compared" in out and "0.5" not in out


def test_a_tournament_refuses_what_it_cannot_hold(sweep, folder, capsys):
    code, _, err = run(capsys, "tournament", sweep, "oracle", "--half", "third")
    assert code == 2 and "--half is test, selection or both, got 'third'" in err
    assert run(capsys, "tournament", sweep, "oracle", "--by", "colour")[0] == 2
    chosen = tuple(replace(row, half="selection") for row in SweepResult.load(sweep).rows)
    SweepResult(chosen, {"judge": "oracle"}).save(sweep.parent / "chosen")
    code, _, err = run(capsys, "tournament", sweep.parent / "chosen", "oracle")
    assert code == 2 and "no texts of the test half; give --half both" in err
    code, _, err = run(capsys, "tournament", folder, "oracle", "--half", "both")
    assert code == 2 and "no two settings have texts of one concept and prompt" in err
