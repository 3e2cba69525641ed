import builtins
import json
import sys
import tracemalloc
import types
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from saesteer.errors import CorruptFile, InputError, MissingExtra
from saesteer.text import read_texts

TEXTS = ["the waves rose", 'she said "yes", twice', "été à la mer"]
LABELS = ["sea", "wedding", "french"]
ROWS = [
    {"text": text, "label": label, "page": i}
    for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
]


def table(folder, kind):
    path = folder / f"texts.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), path)
    elif kind == "csv":
        quoted = [row["text"].replace('"', '""') for row in ROWS]
        lines = [f'"{text}",{row["label"]},{row["page"]}\n' for text, row in zip(quoted, ROWS, strict=True)]
        path.write_text("text,label,page\n" + "".join(lines), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_tables_give_texts_labels_and_the_rest(tmp_path, kind):
    found = list(read_texts(table(tmp_path, kind)))
    assert [each.text for each in found] == TEXTS
    assert [each.label for each in found] == LABELS
    assert [int(each.meta["page"]) for each in found] == [0, 1, 2]
    assert len({each.id for each in found}) == 3


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_columns_are_named_or_missed(tmp_path, kind):
    path = table(tmp_path, kind)
    other = list(read_texts(path, text="label", label="none"))
    assert [each.text for each in other] == LABELS
    assert {each.label for each in other} == {None}
    with pytest.raises(InputError, match=r"texts\.\w+.* has no column 'story', only text, label, page"):
        list(read_texts(path, text="story"))


def test_a_txt_is_lines_or_one_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone line\r\n\r\n  two lines \n".encode())
    assert [each.text for each in read_texts(path)] == ["one line", "  two lines "]
    assert [each.id for each in read_texts(path)] == [f"{path}:1", f"{path}:3"]
    assert [each.text for each in read_texts(path, whole=True)] == ["one line\r\n\r\n  two lines \n"]


def test_csv_cells_hold_line_ends_and_long_stories(tmp_path):
    path = tmp_path / "a.csv"
    story = "word " * 60_000
    path.write_text(f'text,label\n"two\nlines",a\n"{story}",b\n', encoding="utf-8")
    assert [each.text for each in read_texts(path)] == ["two\nlines", story]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "a.txt holds no text"),
        ("a.txt", b" \n\n", "a.txt holds no text"),
        ("a.jsonl", b"\n", "a.jsonl holds no text"),
        ("a.csv", b"text,label\n", "a.csv holds no text"),
        ("a.txt", b"fine\n\xff\xfe\n", "a.txt line 2 is not UTF-8"),
        ("a.jsonl", b'{"text": "fine"}\n{"text": "\xe9"}\n', "a.jsonl line 2 is not UTF-8"),
        ("a.csv", b"text\nfine\nna\xefve\n", "a.csv line 3 is not UTF-8"),
        ("a.txt", b"a\0b\n", "a.txt line 1 holds a NUL byte"),
        ("a.jsonl", b'{"text": "fine"}\n\n{"text": \n', "a.jsonl line 3 is not JSON"),
        (
            "a.jsonl",
            b'{"text": ' + b"[" * 3000 + b"]" * 3000 + b"}",
            "a.jsonl line 1 is not JSON (nested more",
        ),
        ("a.jsonl", b"[1]\n", "a.jsonl line 1 is no JSON object"),
        ("a.jsonl", b'{"text": 3}\n', "a.jsonl line 1: 'text' holds int, not text"),
        ("a.jsonl", b'{"text": " "}\n', "a.jsonl line 1: 'text' is empty"),
        ("a.jsonl", b'{"text": "half \\ud800 letter"}\n', "line 1: 'text' holds half a surrogate pair"),
        ("a.csv", b"text,label\na,b,c\n", "a.csv line 2 has more cells than the header"),
        ("a.csv", b"label,text\na\n", "a.csv line 2: 'text' holds NoneType, not text"),
        ("a.csv", b'text\n"open\n', "a.csv line 2 is not CSV"),
        ("a.docx", b"text", "a.docx is of no known kind"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        list(read_texts(path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_torn_parquet_file_is_corrupt(tmp_path):
    path = table(tmp_path, "parquet")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CorruptFile, match=r"texts\.parquet is not a whole Parquet file"):
        list(read_texts(path))


def test_missing_files_and_folders_are_named_at_once(tmp_path):
    (tmp_path / "folder.txt").mkdir()
    for name in ("none.txt", "folder.txt"):
        with pytest.raises(InputError, match=f"there is no file .*{name}"):
            read_texts(tmp_path / name)


def test_the_hub_needs_its_package(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"pip install 'saesteer\[datasets\]'"):
        next(read_texts("hf:some/stories"))


def test_the_hub_is_not_asked_offline(monkeypatch):
    monkeypatch.setenv("SAESTEER_OFFLINE", "1")
    monkeypatch.setitem(sys.modules, "datasets", types.ModuleType("datasets"))
    with pytest.raises(InputError, match="hf:some/stories is on the network and SAESTEER_OFFLINE is set"):
        next(read_texts("hf:some/stories"))


@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv"])
def test_a_huge_file_does_not_fill_memory(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    line = {"txt": "word " * 200, "jsonl": json.dumps({"text": "word " * 200}), "csv": "word " * 200}[kind]
    path.write_text(("text\n" if kind == "csv" else "") + (line + "\n") * 20_000, encoding="utf-8")
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_texts(path)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000  # of 20 MB
    finally:
        tracemalloc.stop()
    assert len(list(islice(read_texts(path), 3))) == 3
