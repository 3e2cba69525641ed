"""Explanations from folders, ours and the reference's; nothing outside is read."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.errors import InputError
from saesteer.examples import Explanation, LatentId
from saesteer.explainers import EXPLAINERS, Explainer
from saesteer.explainers.folder import OURS, FromFolder, row_of
from saesteer.runs import Journal
from tests.explainers.made import WEDDING, record


def read(folder, of=WEDDING, **settings):
    return asyncio.run(FromFolder(folder, **settings).explain(of))


def of(sae="layers.3", latent=7):
    return record(["x|1"], latent=LatentId(sae, latent))


@pytest.mark.parametrize("place", ["layers.3/7.txt", "layers.3_latent7.txt", "7.txt"])
def test_the_layouts_of_the_reference(tmp_path, place):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps("words about\nweddings, \u201cveils\u201d"), encoding="utf-8")
    found = read(tmp_path)
    assert found.text == "words about weddings, \u201cveils\u201d" and found.details == {"from": place}
    assert read(tmp_path, of(latent=8)).failure.kind == "missing"


def test_plain_names_are_of_no_hookpoint_where_others_have_folders(tmp_path):
    (tmp_path / "7.txt").write_text('"plain"')
    assert read(tmp_path).text == "plain"
    (tmp_path / "layers.4").mkdir()
    (tmp_path / "layers.4" / "7.txt").write_text('"four"')
    assert read(tmp_path).failure.kind == "missing"
    assert read(tmp_path, of("layers.4")).text == "four"


def test_the_folder_may_call_the_hookpoint_otherwise(tmp_path):
    (tmp_path / ".model.layers.3_latent7.txt").write_text('"brides"')
    assert read(tmp_path).failure.kind == "missing"
    found = read(tmp_path, hookpoint=".model.layers.3")
    assert found.text == "brides" and found.latent == WEDDING.id


def test_our_own_journal_and_its_last_word(tmp_path):
    for text in ("a first try", "words about weddings", None):
        Journal(tmp_path / OURS).append(row_of(Explanation(WEDDING.id, "default", text)))
    assert read(tmp_path).text == "words about weddings"
    assert read(tmp_path, of(latent=8)).failure.kind == "missing"


def test_only_what_is_inside_is_read(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "7.txt").write_text('"secret"')
    (inner / "link_latent7.txt").symlink_to(tmp_path / "7.txt")
    for sae in ("..", "../inner/..", str(tmp_path), "link", "a\0b"):
        found = read(inner, of(sae))
        assert (
            found.text is None and found.failure.kind == "unparsed" and "secret" not in found.failure.message
        )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"3",
        b"[]",
        b'{"a": 1}',
        b'""',
        b'"  \\n"',
        b'"\xff"',
        b'"' + b"x" * 70_000 + b'"',
        b"[" * 9999,
    ],
    ids=range(10),
)
def test_what_is_no_explanation_is_a_failure(tmp_path, content):
    (tmp_path / "7.txt").write_bytes(content)
    found = read(tmp_path)
    assert found.text is None and found.failure.kind == "unparsed"


@pytest.mark.parametrize(
    "line", ["{", "3", '{"latent": 3, "text": "x"}', '{"latent": ["a", "b"], "text": "x"}', "{}"]
)
def test_a_journal_that_is_none_is_a_failure(tmp_path, line):
    (tmp_path / OURS).write_text(line + "\n")
    assert read(tmp_path).failure.kind == "unparsed"


def test_a_folder_that_is_not_there():
    with pytest.raises(InputError, match="no folder"):
        FromFolder("nowhere/at/all")


def test_the_fingerprint_is_of_the_files(tmp_path):
    (tmp_path / "7.txt").write_text('"a"')
    first = FromFolder(tmp_path).fingerprint()
    assert first == FromFolder(tmp_path).fingerprint() != FromFolder(tmp_path, hookpoint="x").fingerprint()
    (tmp_path / "7.txt").write_text('"b"')
    assert FromFolder(tmp_path).fingerprint() != first
    assert EXPLAINERS.get("folder") is FromFolder and isinstance(FromFolder(tmp_path), Explainer)


@given(st.text(max_size=20), st.integers())
def test_any_name_gives_a_failure_or_a_text(sae, latent):
    found = read("tests/explainers", of(sae, latent))
    assert found.text is None and found.failure.kind in ("missing", "unparsed")
