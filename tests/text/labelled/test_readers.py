"""Labelled data sets in the forms in which they are published, small."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from saesteer.errors import InputError, UnknownName
from saesteer.latents import ByColumn, ByLabel
from saesteer.text import READERS, read_texts
from saesteer.text.document import GRADE


def jsonl(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(name: str, path: Path):
    return list(read_texts(f"{name}:{path}"))


def half(text, toxicity):
    return {"text": text, "toxicity": toxicity, "severe_toxicity": 0.01, "insult": 0.2}


RTP = [
    {
        "filename": "1.txt", "begin": 0, "end": 9, "challenging": False,
        "prompt": half("You are", 0.2), "continuation": half(" a fool.", 0.9),
    },
    {"prompt": half("It rains", 0.1), "continuation": half(" a lot.", None), "challenging": False},
    {"prompt": half("So it", None), "continuation": half(" goes.", None), "challenging": True},
    {"prompt": half("Even", 0.25), "continuation": half(" so.", 0.75), "challenging": False},
]  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_real_toxicity_prompts(tmp_path, kind):
    path = tmp_path / f"rtp.{kind}"
    if kind == "jsonl":
        jsonl(path, RTP)
    else:
        parquet.write_table(pa.Table.from_pylist(RTP), path)
    found = read("real_toxicity_prompts", path)
    assert [each.text for each in found] == ["You are a fool.", "It rains a lot.", "So it goes.", "Even so."]
    assert [each.label for each in found] == ["1", "0", None, "1"]
    assert [each.meta[GRADE] for each in found] == pytest.approx([0.55, 0.1, None, 0.5])
    assert [each.id for each in found] == [f"{path}:{number}" for number in (1, 2, 3, 4)]
    prompts = read("real_toxicity_prompts[part=prompt, threshold=0.2]", path)
    assert [each.text for each in prompts] == ["You are", "It rains", "So it", "Even"]
    assert [each.label for each in prompts] == ["1", "0", None, "1"]
    assert prompts[0].meta["prompt_toxicity"] == 0.2 and "continuation_toxicity" not in prompts[0].meta


def test_a_toxicity_of_nothing_is_one(tmp_path):
    row = {"prompt": half("It rains", 0.0), "continuation": half(" a lot.", 0.6)}
    (found,) = read("real_toxicity_prompts", jsonl(tmp_path / "rtp.jsonl", [row]))
    assert found.meta[GRADE] == 0.3 and found.label == "0"


def test_labels_train_as_they_are(tmp_path):
    found = read("real_toxicity_prompts", jsonl(tmp_path / "rtp.jsonl", RTP))
    assert [ByLabel({})(each)[0] for each in found] == pytest.approx([1, 0, float("nan"), 1], nan_ok=True)
    graded = [ByColumn((GRADE,))(each)[0] for each in found]
    assert graded == pytest.approx([0.55, 0.1, float("nan"), 0.5], nan_ok=True)


def test_aegis_counts_votes(tmp_path):
    votes = [
        ["Violence, Criminal Planning/Confessions", "Safe", "Needs Caution, Harassment", None, "None"],
        ["Safe", "Safe", "Profanity", "", ""],
        ["Needs Caution", "Needs Caution", "Safe", None, None],
        ["Violence", "Safe", None, None, None],
        [None, None, None, None, None],
    ]
    rows = [
        {"id": i, "text": f"user: text {i}", "text_type": "user_message"}
        | {f"labels_{j}": vote for j, vote in enumerate(each)}
        for i, each in enumerate(votes)
    ]
    path = jsonl(tmp_path / "aegis.jsonl", rows)
    expected = {
        "aegis": ["1", "0", "1", None, None],
        "aegis[caution=safe]": ["1", "0", "0", None, None],
        "aegis[caution=unknown]": ["1", "0", "0", None, None],
        "aegis[ties=unsafe]": ["1", "0", "1", "1", None],
        "aegis[ties=safe]": ["1", "0", "1", "0", None],
    }
    assert {name: [each.label for each in read(name, path)] for name in expected} == expected
    grades = [each.meta[GRADE] for each in read("aegis", path)]
    assert grades == pytest.approx([2 / 3, 1 / 3, 2 / 3, 0.5, None])
    assert read("aegis", path)[0].meta["text_type"] == "user_message"


def test_aegis_2_has_prompts_and_responses(tmp_path):
    rows = [
        {"prompt": "How do I bake?", "response": None, "prompt_label": "safe", "response_label": None},
        {"prompt": "Hurt them", "response": "No.", "prompt_label": "unsafe", "response_label": "safe"},
        {"prompt": "REDACTED", "response": None, "prompt_label": "unsafe", "response_label": None},
        {"prompt": "Odd", "response": "Bad", "prompt_label": "safe", "response_label": "unsafe"},
    ]
    path = tmp_path / "train.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    both = read("aegis", path)
    assert [each.text for each in both] == ["How do I bake?", "Hurt them\nNo.", "Odd\nBad"]
    assert [each.label for each in both] == ["0", "1", "1"]
    assert [each.label for each in read("aegis[part=prompt]", path)] == ["0", "1", "0"]
    assert [each.text for each in read("aegis[part=response]", path)] == ["No.", "Bad"]


def test_shakespeare_goes_by_pairs(tmp_path):
    for split, original, modern in (
        ("train", "Thou art mad .\nHold !\n\n", "You are mad .\nHold !\nStop !\n"),
        ("test", "Ay .\n", "Yes .\n"),
    ):
        (tmp_path / f"{split}.original.nltktok").write_text(original, encoding="utf-8")
        (tmp_path / f"{split}.modern.nltktok").write_text(modern, encoding="utf-8")
    found = read("shakespeare", tmp_path)
    assert [(each.text, each.label, each.meta["pair"]) for each in found] == [
        ("Thou art mad .", "1", "train:1"),
        ("You are mad .", "0", "train:1"),
        ("Stop !", "0", "train:3"),
        ("Ay .", "1", "test:1"),
        ("Yes .", "0", "test:1"),
    ]
    assert len(read("shakespeare[split=test]", tmp_path)) == 2
    with pytest.raises(InputError, match=r"there is no .*valid\.original\.nltktok"):
        read("shakespeare[split=valid]", tmp_path)
    (tmp_path / "test.modern.nltktok").write_text("Yes .\nNo .\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"test\.original\.nltktok ends before line 2"):
        read("shakespeare", tmp_path)
    (tmp_path / "test.modern.nltktok").unlink()
    with pytest.raises(InputError, match=r"there is no file .*test\.modern\.nltktok beside"):
        read("shakespeare", tmp_path)


WIKI = (
    " \n = Robert Boulter = \n \n Robert is an actor . \n \n = = Career = = \n \n He = she = it . \n \n"
    " = Du Fu = \n \n A poet . \n = not a title = \n"
)


@pytest.mark.parametrize("kind", ["raw", "parquet"])
def test_wikitext_is_cut_at_titles(tmp_path, kind):
    path = tmp_path / f"wiki.{kind}"
    if kind == "raw":
        path.write_text(WIKI, encoding="utf-8")
    else:
        lines = [{"text": line} for line in WIKI.splitlines(keepends=True)]
        parquet.write_table(pa.Table.from_pylist(lines), path)
    found = read("wikitext", path)
    assert [(each.meta["title"], each.label, each.id) for each in found] == [
        ("Robert Boulter", None, f"{path}:2"),
        ("Du Fu", None, f"{path}:10"),
    ]
    assert found[0].text.startswith("= Robert Boulter =") and "= = Career = =" in found[0].text
    assert found[1].text.endswith("= not a title =")
    path.write_text("Before .\n \n = A = \n", encoding="utf-8") if kind == "raw" else None
    if kind == "raw":
        assert [each.meta["title"] for each in read("wikitext", path)] == [None, "A"]


def test_a_table_has_its_labels_by_threshold_or_name(tmp_path):
    rows = [{"story": "a b", "class": "toxic", "score": 0.9}, {"story": "c d", "class": "fine", "score": 0.1}]
    rows += [{"story": "e f", "class": "odd", "score": None}]
    path = jsonl(tmp_path / "rows.jsonl", rows)
    found = read("table[text=story,label=score,threshold=0.5]", path)
    assert [(each.label, each.meta.get(GRADE)) for each in found] == [("1", 0.9), ("0", 0.1), (None, None)]
    by_name = "table[text=story,label=class,positive=toxic|hateful"
    assert [each.label for each in read(f"{by_name}]", path)] == ["1", "0", "0"]
    assert [each.label for each in read(f"{by_name},negative=fine]", path)] == ["1", "0", None]
    plain = list(read_texts(f"table:{path}", text="story", label="class"))
    assert [each.label for each in plain] == ["toxic", "fine", "odd"]


def test_mixtures(tmp_path):
    for name, count in (("many", 60), ("few", 20)):
        (tmp_path / f"{name}.txt").write_text(
            "".join(f"{name} {i}\n" for i in range(count)), encoding="utf-8"
        )
    path = tmp_path / "mix.yaml"
    plan = (
        f"sources:\n  - {{texts: '{tmp_path}/many.txt', weight: 3}}\n"
        f"  - {{texts: '{tmp_path}/few.txt', label: '1'}}\n"
    )
    path.write_text(plan, encoding="utf-8")
    found = [each.text for each in read("mixture", path)]
    assert len(set(found)) == len(found) == 80
    assert found == [each.text for each in read("mixture", path)]
    first = sum(text.startswith("many") for text in found[:40])
    assert 24 <= first <= 36, "three of four, about"
    for name in ("many", "few"):
        own = [text for text in found if text.startswith(name)]
        assert own == sorted(own, key=lambda text: int(text.split()[1]))
    assert {each.label for each in read("mixture", path) if each.text.startswith("few")} == {"1"}
    path.write_text("seed: 1\n" + plan, encoding="utf-8")
    assert [each.text for each in read("mixture", path)] != found
    path.write_text("order: concatenated\n" + plan, encoding="utf-8")
    assert [each.text.split()[0] for each in read("mixture", path)] == ["many"] * 60 + ["few"] * 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1", "is not valid YAML"),
        ("order: x\nsources: [{texts: a.txt}]", "order is one of"),
        ("sources: []", "sources is empty"),
        ("sources: [a.txt]", r"sources\[0\] is a mapping"),
        ("sources: [{texts: a.txt, weight: -1}]", "weight is a number over 0, got -1"),
        ("sources: [{texts: a.txt, wieght: 1}]", "did you mean 'weight'"),
        ("source: [{texts: a.txt}]", "holds no mixture"),
        ("sources: [{texts: none.txt}]", "there is no file none.txt"),
    ],
)
def test_a_bad_mixture_names_its_field(tmp_path, content, message):
    path = tmp_path / "mix.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read("mixture", path)


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("real_toxicity_prompts", {"prompt": "a"}, "line 2: prompt is an object"),
        ("real_toxicity_prompts", {"text": "a"}, "line 2 has no column 'prompt', only text"),
        ("real_toxicity_prompts", RTP[0] | {"continuation": half(None, 0.1)}, "continuation.text is text"),
        ("real_toxicity_prompts", RTP[0] | {"prompt": half("a", 1.5)}, "prompt.toxicity is a number"),
        ("real_toxicity_prompts", RTP[0] | {"prompt": half("a", True)}, "prompt.toxicity is a number"),
        ("aegis", {"text": "a b"}, "line 2 has neither labels_0"),
        ("aegis", {"text": "a b", "labels_0": 3}, "line 2: labels_0 is text, got int"),
        ("aegis", {"text": " ", "labels_0": "Safe"}, "line 2: 'text' is empty"),
        ("aegis", {"prompt": "a", "response": "b", "prompt_label": "bad"}, "prompt_label is safe, unsafe"),
        ("table[threshold=1]", {"text": "a b", "label": "x"}, "line 2: 'label' is a number where"),
        ("table", {"text": "a b"}, "line 2 has no column 'label', only text"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_its_line(tmp_path, name, row, message):
    path = tmp_path / "rows.jsonl"
    good = {"real_toxicity_prompts": RTP[0], "aegis": {"text": "a b", "labels_0": "Safe"}}
    jsonl(path, [good.get(name, {"text": "a b", "label": "2"}), row])
    with pytest.raises(InputError, match=message):
        read(name, path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("aegs:x.jsonl", "unknown reader of texts 'aegs'; did you mean 'aegis'"),
        ("aegis[cation=safe]:x.jsonl", "unknown option of aegis 'cation'; did you mean 'caution'"),
        ("wikitext[a=b]:x.txt", "wikitext has no options"),
        ("aegis[caution]:x.jsonl", "options of aegis are NAME=VALUE"),
        ("aegis[caution=maybe]:x.jsonl", "caution is one of safe, unsafe, unknown, got 'maybe'"),
        ("real_toxicity_prompts[threshold=high]:x.jsonl", "threshold is a number, got 'high'"),
        ("real_toxicity_prompts[threshold=7]:x.jsonl", "threshold is from 0 to 1, got 7"),
        ("table[threshold=1,positive=a]:x.csv", "threshold is for numbers"),
        ("table[negative=a]:x.csv", "negative is given without positive"),
        ("table[positive=a|b,negative=b]:x.csv", "the label 'b' is positive and negative"),
        ("aegis:none.jsonl", "there is no file none.jsonl"),
        ("shakespeare:hf:some/set", "give the folder that holds them"),
        ("wikitext:none.txt", "there is no file none.txt"),
    ],
)
def test_a_source_that_cannot_be_meant(source, message):
    with pytest.raises(InputError, match=message.replace("[", r"\[").replace("|", r"\|")):
        list(read_texts(source))


def test_columns_are_for_tables_alone(tmp_path):
    with pytest.raises(UnknownName, match="unknown option of aegis 'text'"):
        list(read_texts("aegis:x.jsonl", text="story"))


def test_a_file_with_a_colon_is_still_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my:texts.txt").write_text("a line\n", encoding="utf-8")
    assert [each.text for each in read_texts("my:texts.txt")] == ["a line"]


def test_every_reader_is_there_and_says_what_it_is():
    for name in READERS.names():
        assert READERS.get(name).__doc__ and not READERS.get(name).__doc__.startswith(
            f"{READERS.get(name).__name__}("
        )
