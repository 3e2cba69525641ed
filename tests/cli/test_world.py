"""The command line on the embedded world itself, where its weights are built."""

import json

import pytest

pytestmark = pytest.mark.slow


def test_find_steer_show_generate(run, tmp_path):
    """The README's way: a latent that knows weddings, a spec, and stories that turn to weddings."""
    found = json.loads(run("find", "world/wedding", "--top", 1, "--json").out)
    best = found["latents"][0]
    assert best["auroc"] > 0.9
    shown = run("show", "world/layers.3", best["latent"], "--stories", 60)
    assert shown.code == 0 and "Strongest contexts" in shown.out
    spec = tmp_path / "wedding.yaml"
    assert run("steer", "world/wedding", "--strength", 0.3, "--out", spec).code == 0
    line = ("generate", "--spec", spec, "-p", "One day Anna met Simon in Kelby.", "-n", 24, "--json")
    rows = json.loads(run(*line).out)["rows"]
    words = ("bride", "groom", "wedding", "veil", "ring", "bouquet", "altar")
    told = {
        side: sum(any(word in row[side] for word in words) for row in rows)
        for side in ("steered", "unsteered")
    }
    assert told["steered"] > told["unsteered"]


def test_words_look_in_the_worlds_own_stories(run):
    said = run("find", "--words", "bride,groom", "--top", 3)
    assert (said.code, said.err) == (0, "") and "bride, groom: " in said.out


def test_the_worlds_model_is_healthy(run):
    assert run("doctor").code == 0
