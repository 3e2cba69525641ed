"""saesteer show."""

import json

import pytest

from saesteer.cli.drawing import bars, contexts, effects, highlighted
from saesteer.cli.terminal import console
from saesteer.latents import Context, Histogram, TokenEffect

EVIL = "\x1b[31mred[/bold]"


def drawn(thing) -> str:
    with (out := console()).capture() as captured:
        out.print(thing)
    return captured.get()


def test_a_latent_in_the_terminal(run, place):
    said = run("show", place.sae, 32, "-m", place.model, "--texts", place.texts, "--contexts", 3, "--bins", 4)
    assert (said.code, said.err) == (0, "")
    assert f"Latent 32 of {place.sae} at layers.3" in said.out
    for part in ("active at ", "Activations", "Strongest contexts", "Promotes", "Suppresses"):
        assert part in said.out
    assert said.out.count(" to ") >= 4
    assert "\x1b" not in said.out


def test_json_holds_the_same(run, place):
    said = run("show", place.sae, 32, "-m", place.model, "--texts", place.texts, "--contexts", 3, "--json")
    record = json.loads(said.out)
    assert (said.code, said.err) == (0, "")
    assert record["texts"] == 12 and record["hookpoint"] == "layers.3"
    assert len(record["contexts"]) == 3 and record["contexts"][0]["activation"] == record["summary"]["max"]
    assert len(record["promoted"]) == len(record["suppressed"]) == 10


def test_a_silent_latent_says_so(run, place, tmp_path):
    text = tmp_path / "one.txt"
    text.write_text("The bride.\n")
    silent = []
    for latent in range(0, 64, 9):
        said = run("show", place.sae, latent, "-m", place.model, "--texts", text)
        assert said.code == 0
        silent.append("Silent in these texts" in said.out)
    assert any(silent)


@pytest.mark.parametrize("latent", [64, 10**9])
def test_a_latent_that_there_is_not(run, place, latent):
    said = run("show", place.sae, latent, "-m", place.model, "--texts", place.texts)
    assert (said.code, said.out) == (2, "") and f"latents are 0 to 63, got {latent}" in said.err


def test_another_model_needs_texts(run, place):
    said = run("show", place.sae, 1, "-m", place.model)
    assert (said.code, said.out) == (2, "") and "--texts FILE" in said.err


def test_a_context_marks_its_peak_and_shades_by_activation():
    context = Context(5, 0, 1, 4.0, (" the", " bride", "\n", EVIL), (0.0, 4.0, 1.0, 0.5), 1)
    line = highlighted(context, 4.0)
    assert line.plain == "the [bride]↵␛[31mred[/bold]"
    styles = {line.plain[span.start : span.end]: str(span.style) for span in line.spans}
    assert "the" not in styles and len(set(styles.values())) == 3


def test_texts_cannot_colour_the_terminal():
    context = Context(5, 0, 0, 1.0, (EVIL,), (1.0,), 0)
    effect = TokenEffect(1, EVIL, 0.5)
    for thing in (contexts([context], 1), effects([effect], [effect])):
        assert "␛[31mred[/bold]" in drawn(thing) and "\x1b[31m" not in drawn(thing)


def test_sides_of_contexts():
    found = [Context(5, number, 0, 1.0, ("a",), (1.0,), 0) for number in (0, 1)]
    assert [line.split()[1] for line in drawn(contexts(found, 1)).splitlines()] == ["+", "-"]
    assert "+" not in drawn(contexts(found))


def test_bars_are_linear_and_a_single_count_shows():
    lines = drawn(bars(Histogram((1000, 500, 1, 0), (0.0, 1.0, 2.0, 3.0, 4.0)))).splitlines()
    assert [line.count("█") for line in lines] == [40, 20, 0, 0]
    assert "▏" in lines[2] and "▏" not in lines[3]
    assert lines[0].split()[:3] == ["0", "to", "1"] and lines[0].rstrip().endswith("1,000")
