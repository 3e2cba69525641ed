"""Explainers and scorers from lines and mappings."""

import pytest

from saesteer.errors import InputError, UnknownName
from saesteer.explainers import EXPLAINERS
from saesteer.llms.scripted import ScriptedClient
from saesteer.pipeline.interpretation.making import (
    Asked,
    Given,
    asked_for,
    make_explainer,
    make_scorer,
    needs,
)
from saesteer.scorers import SCORERS

CLIENT = ScriptedClient(["x"])
GIVEN = Given(CLIENT, {"lm": None, "saes": None})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("detection", Asked("detection")),
        ("fuzzing[negatives=active, n_shown=10]", Asked("fuzzing", {"negatives": "active", "n_shown": 10})),
        ("folder:some/where", Asked("folder", {}, "some/where")),
        ("folder[hookpoint=a]:C:/x", Asked("folder", {"hookpoint": "a"}, "C:/x")),
        ("best_of[inner={name: default, levels: true},k=2]",
         Asked("best_of", {"inner": {"name": "default", "levels": True}, "k": 2})),
        ({"name": "fuzzing[n_shown=3]", "seed": 2, "client": "oracle"},
         Asked("fuzzing", {"n_shown": 3, "seed": 2}, None, "oracle")),
    ],
)  # fmt: skip
def test_lines_and_mappings(line, expected):
    assert asked_for(line, "scorer") == expected


@pytest.mark.parametrize("odd", ["", "a b", "x[y]", "x[=3]", 5, {"n": 1}, {"name": 3}, ["x"]])
def test_what_is_neither_names_the_field(odd):
    with pytest.raises(InputError, match=r"^scorers\[1\]"):
        asked_for(odd, "scorers[1]")


def test_a_scorer_gets_the_client_and_its_own_options():
    found = make_scorer(asked_for("fuzzing[negatives=active,n_shown=2]", "x"), GIVEN)
    assert (found.name, found.n_shown, found.client) == ("fuzzing_active", 2, CLIENT)
    assert make_explainer(asked_for("token_statistics[least=3]", "x"), Given()).least == 3


def test_best_of_has_an_inner_explainer_and_a_scorer_that_chooses():
    found = make_explainer(asked_for("best_of[inner='default[levels=true]',by=fuzzing,k=2]", "x"), GIVEN)
    assert found.k == 2 and found.inner.levels is True and found.inner.client is CLIENT
    assert found.value.scorer.name == "fuzzing" and found.valued_by == found.value.scorer.fingerprint()


@pytest.mark.parametrize(
    ("line", "error", "match"),
    [
        ("detectoin", UnknownName, "unknown scorer 'detectoin'; did you mean 'detection'"),
        (
            "detection[n_shwon=3]",
            UnknownName,
            "unknown option of the scorer detection 'n_shwon'; did you mean",
        ),
        ("detection[n_shown=0]", InputError, "n_shown is a number of windows, at least 1, got 0"),
        ("detection[n_shown=many]", InputError, "scorer detection: "),
        ("surprisal", InputError, r"scorer surprisal needs a model \(--model\); give it"),
        ("detection:y", InputError, "scorer detection: "),
    ],
)
def test_what_cannot_be_made(line, error, match):
    with pytest.raises(error, match=match):
        make_scorer(asked_for(line, "x"), GIVEN)


def test_without_a_client_one_is_asked_for():
    with pytest.raises(InputError, match=r"needs a client \(--client, or client:\); give it"):
        make_scorer(asked_for("detection", "x"), Given())


def test_what_each_name_needs_is_said_by_its_constructor():
    wanted = {name: needs(Asked(name), SCORERS) & {"client", "lm", "saes"} for name in SCORERS.names()}
    assert wanted["detection"] == {"client"} and wanted["embedding"] == set()
    assert wanted["surprisal"] == {"lm"} and wanted["intervention"] == {"lm", "saes"}
    assert needs(Asked("random"), EXPLAINERS) == {"explanations"}


def test_the_record_has_no_client():
    asked = asked_for({"name": "default", "client": {"client": "openai:x", "extra": {"secret": 1}}}, "x")
    assert asked.record() == {"name": "default"}
    assert asked_for("folder:x", "x").record() == {"name": "folder", "of": "x"}
