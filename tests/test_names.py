"""Registries: lazy, with suggestions, open to other packages."""

import subprocess
import sys

import pytest

from saesteer.errors import InputError, UnknownName
from saesteer.names import Registry, resolve


def test_a_string_is_imported_on_use_and_a_thing_is_itself():
    registry = Registry("function", {"dump": "json:dumps", "len": len})
    assert registry.get("dump")([1]) == "[1]"
    assert registry.get("len") is len
    assert registry.names() == ["dump", "len"]
    assert "dump" in registry and "load" not in registry


def test_making_and_listing_a_registry_imports_nothing():
    code = (
        "import sys; from saesteer.names import Registry;"
        "r = Registry('x', {'a': 'colorsys:rgb_to_hsv'}, 'g');"
        "assert r.names() == ['a'] and 'a' in r and 'colorsys' not in sys.modules;"
        "r.get('a'); assert 'colorsys' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(UnknownName, match="unknown judge 'orakle'; did you mean 'oracle'"):
        Registry("judge", {"oracle": "json:dumps"}).get("orakle")


def test_a_name_is_registered_once():
    registry = Registry("method", {"one": 1})
    registry.register("two", "json:loads")
    assert registry.get("two")("2") == 2
    with pytest.raises(InputError, match="exists already"):
        registry.register("one", 3)
    assert registry.get("one") == 1


def test_the_table_that_was_passed_in_is_left_alone():
    table = {"one": 1}
    Registry("method", table).register("two", 2)
    assert table == {"one": 1}


def test_other_packages_add_names_by_entry_points(tmp_path, monkeypatch):
    (tmp_path / "outsider.py").write_text("def method(): return 'theirs'\n")
    info = tmp_path / "outsider-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[saesteer.tests]\ntheirs = outsider:method\nours = outsider:method\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("method", {"ours": lambda: "ours"}, group="saesteer.tests")
    assert registry.names() == ["ours", "theirs"]
    assert registry.get("theirs")() == "theirs"
    assert registry.get("ours")() == "ours"
    assert "theirs" in registry


def test_a_target_may_be_an_attribute_of_an_attribute():
    assert resolve("pathlib:Path.cwd") is not None


@pytest.mark.parametrize("target", ["json", "json:", ":dumps", "json:nothing"])
def test_a_wrong_target_is_named(target):
    with pytest.raises(InputError, match=target):
        resolve(target)
