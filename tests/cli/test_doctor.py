"""saesteer doctor."""

import json

import pytest

from saesteer.model import doctor


def test_a_healthy_model(run, place):
    said = run("doctor", "-m", place.model)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("All is well.\n") and "FAILED" not in said.out
    for name in doctor.CHECKS:
        assert f"ok  {name}" in said.out


def test_json(run, place):
    record = json.loads(run("doctor", "-m", place.model, "--json").out)
    assert record["ok"] and {"inert hooks", "padding"} <= {each["name"] for each in record["checks"]}


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_a_failed_check_is_code_1(run, place, monkeypatch, json_too):
    monkeypatch.setitem(doctor.CHECKS, "padding", lambda lm: (False, "off by\n\x1b[31ma lot"))
    said = run("doctor", "-m", place.model, *json_too)
    assert (said.code, said.err) == (1, "")
    if json_too:
        assert json.loads(said.out)["ok"] is False
    else:
        assert "FAILED  padding" in said.out and "off by ␛[31ma lot" in said.out
        assert "All is well" not in said.out
