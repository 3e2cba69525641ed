"""What the docs say is what was measured, and what the README shows can be typed."""

import inspect
import json
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from saesteer.cli.main import VERBS, command
from saesteer.concepts import CHOOSERS
from saesteer.methods import METHODS, TABLE
from saesteer.steering.biases import able
from saesteer.steering.formats import ENDINGS, FORMATS
from scripts.measure_trained import MARK, PAGE, RECORD, table

ROOT = Path(__file__).parents[1]
PAGES = {
    "calibration": "write_calibration",
    "choosers": "write_choosers",
    "effects_world": "write_effects",
    "figures": "write_figures",
    "interpretation_world": "write_interpretation",
    "measures": "measure_side_effects",
    "methods_compared": "write_methods",
    "scar": "write_scar",
    "topic_alignment": "write_topic",
    "twins": "write_twins",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_the_one_of_its_records(monkeypatch, name):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    writer = import_module(f"scripts.{PAGES[name]}")
    assert writer.page() == (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def test_every_figure_between_scorers_has_its_interval():
    """Of 21 latents, none says much alone."""
    page = (ROOT / "docs/interpretation_world.md").read_text(encoding="utf-8")
    for part in ("## What the reader's error does", "## Agreement"):
        lines = re.findall(r"^\| (.+) \|$", page.partition(part)[2].partition("\n## ")[0], re.M)[1:]
        cells = [cell for line in lines for cell in line.split(" | ")[1:] if cell != "1"]
        assert len(cells) >= 20
        for each in ("; ".join(cells)).split("; "):
            assert re.fullmatch(r"-?\d\.\d\d \[-?\d\.\d\d, -?\d\.\d\d\]", each), each


def test_the_speed_of_caching_is_that_of_its_record():
    record = json.loads((ROOT / "docs/figures/caching.json").read_text(encoding="utf-8"))["caching"]
    part = (ROOT / "docs/cache.md").read_text(encoding="utf-8").partition("## Speed")[2]
    lines = dict(re.findall(r"^\| `(\w+)`[^|]*\| (.+) \|$", part, re.M))
    assert list(lines) == list(record["columns"])
    for name, each in record["columns"].items():
        spread = "" if name == "topk_csr" else f"{each['least']:.2f} to {each['most']:.2f}"
        assert lines[name] == f"{each['time']:.2f} | {spread} | {each['seconds']:.1f}".replace("|  |", "| |")
    config = record["config"]
    assert f"--sequences {config['sequences']} --rounds {config['rounds']} " in part
    assert f"{config['sequences'] * config['context']:,} tokens" in part


def test_the_page_of_methods_has_every_method_with_its_options_and_source():
    """Its own options; what all methods take (the model, the concept, where) is said once."""
    page = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    parts = dict(re.findall(r"^## (\w+)\n\n(.+?)(?=\n## |\n# |\Z)", page, re.M | re.S))
    assert list(parts) == list(TABLE)
    for name, method in TABLE.items():
        own = set(inspect.signature(METHODS.get(name)).parameters) - {"lm", "concept", "at"}
        assert not {each for each in own if f"`{each}`" not in parts[name]}, name
        assert method.source in " ".join(parts[name].split()), name


def test_the_page_of_methods_has_every_chooser():
    page = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^- \*\*(\w+)\*\*", page, re.M)) == CHOOSERS.names()


def test_the_table_of_trained_methods_is_that_of_its_record():
    found = MARK.search(PAGE.read_text(encoding="utf-8"))
    assert found and found[0] == table(json.loads(RECORD.read_text(encoding="utf-8")))


def parsed(line: str) -> None:
    """By its verb, which refuses options that are missing or unknown; without `saesteer`."""
    verb, *words = shlex.split(line, comments=True)
    if VERBS[verb][0].endswith(":PARTS"):
        verb, words = f"{verb} {words[0]}", words[1:]
    command(verb).make_context(verb, words)


def test_the_commands_of_the_readme_have_what_they_need():
    lines = re.findall(r"^\| `saesteer ([^`]+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert len(lines) >= 6
    for line in lines:
        parsed(line)


@pytest.mark.parametrize(
    ("name", "least"),
    [("effects", 1), ("effects_fit", 7), ("effects_world", 2), ("methods", 3), ("trained_methods", 3)],
)
def test_the_commands_of_a_page_can_be_typed(name, least):
    """Those in blocks, with the line that a backslash joins, and those in a sentence that name options."""
    page = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^(?: {4})?saesteer (.+)$", page, re.M)
    said = [" ".join(each.split()) for each in re.findall(r"(?<!`)`saesteer ([^`]+)`", page)]
    lines += [each for each in said if " -" in each]
    assert len(lines) >= least
    for line in lines:
        parsed(line)


def test_the_commands_of_the_page_of_calibration_are_ones():
    from scripts import write_calibration

    for line in write_calibration.COMMANDS.values():
        verb, *words = shlex.split(line)
        command(verb).make_context(verb, words)


def test_the_page_of_spec_files_names_every_format_and_its_commands_can_be_typed():
    page = (ROOT / "docs/spec_files.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (\.[. a-z]+) \|", page, re.M))
    assert {name: set(endings.split()) for name, endings in rows.items()} == {
        name: {ending for ending, format in ENDINGS.items() if format == name.removesuffix("_beta")}
        for name in FORMATS.names()
    }
    lines = re.findall(r"^\| `saesteer ([^`]+)` \|", page, re.M)
    assert len(lines) == 8
    for line in lines:
        verb, *words = shlex.split(line)
        command(verb).make_context(verb, words)
    for families, part in (
        ("gpt2, gpt_neox, llama", "act"),
        ("gpt2, gpt_neox, llama, qwen3, gemma", "heads"),
    ):
        assert sorted(families.split(", ")) == able(part).split(", ") and f"| {families} (`" in page
