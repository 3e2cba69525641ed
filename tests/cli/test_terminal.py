"""Tables, JSON and bars."""

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from saesteer.cli.terminal import jsonable, print_json, print_table, progress


@dataclass(frozen=True)
class Record:
    path: Path
    values: tuple[float, ...]


def test_json_is_ascii_and_has_no_infinity(capsys):
    print_json(Record(Path("a/é"), (1.5, math.inf, -math.inf, math.nan)))
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"path": "a/é", "values": [1.5, None, None, None]}


def test_json_escapes_what_a_terminal_obeys(capsys):
    print_json({"text": "\x1b[31m \x9b \u202e"})
    out = capsys.readouterr().out
    assert not set("\x1b\x9b\u202e") & set(out)
    assert json.loads(out)["text"] == "\x1b[31m \x9b \u202e"


def test_what_is_no_json_is_an_error():
    with pytest.raises(TypeError):
        print_json({"what": object()})


def test_keys_become_text():
    assert jsonable({1: (True, None)}) == {"1": [True, None]}


def test_a_string_is_printed_as_it_is_on_one_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    print_table("[bold]no markup[/bold] :smile: and long enough to be wrapped \x1b[31m")
    assert capsys.readouterr().out == "[bold]no markup[/bold] :smile: and long enough to be wrapped ␛[31m\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def use_bar() -> None:
    with progress(2) as bar:
        bar.step("first [red]label\x1b[31m")
        bar.step("second")
        assert list(bar.track("counted", ["a", "b"], 2)) == ["a", "b"]
        bar.report("third", 2, 2)


def test_bars_are_drawn_on_a_terminal_only(monkeypatch, capsys):
    use_bar()
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    use_bar()
    drawn = terminal.getvalue()
    assert "third" in drawn and "2/2" in drawn
    assert capsys.readouterr().out == ""
