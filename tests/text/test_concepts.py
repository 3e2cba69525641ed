import json

import pytest

from saesteer.errors import InputError, UnknownName
from saesteer.text import CONCEPTS, Concept, load_concept

RECORD = {
    "name": "sea",
    "description": "The sea.",
    "positive": ["the waves rose", "a ship at sea"],
    "negative": ["the soup boiled", "a dog at home"],
}


def written(folder, record, name="sea.yaml"):
    path = folder / name
    path.write_text(record if isinstance(record, str) else json.dumps(record), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["sea.yaml", "sea.yml", "sea.json"])
def test_a_file_gives_the_concept_that_it_says(tmp_path, name):
    found = load_concept(written(tmp_path, RECORD, name))
    assert found == Concept(**RECORD)
    assert load_concept(str(tmp_path / name)) == found
    assert load_concept(found) is found


def test_yaml_as_people_write_it(tmp_path):
    text = "name: sea\ndescription: The sea.\npositive:\n- the waves rose\nnegative:\n- the soup boiled\n"
    assert load_concept(written(tmp_path, text)).positive == ("the waves rose",)


def test_texts_come_from_files_beside_it(tmp_path):
    (tmp_path / "with").mkdir()
    (tmp_path / "with" / "yes.txt").write_text("the waves rose\n\na ship at sea\n", encoding="utf-8")
    (tmp_path / "no.jsonl").write_text('{"text": "the soup boiled"}\n', encoding="utf-8")
    found = load_concept(written(tmp_path, RECORD | {"positive": "with/yes.txt", "negative": "no.jsonl"}))
    assert (found.positive, found.negative) == (("the waves rose", "a ship at sea"), ("the soup boiled",))


def test_a_file_reaches_nothing_outside_of_its_folder(tmp_path):
    (tmp_path / "secret.txt").write_text("the waves rose\n", encoding="utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.txt").symlink_to(tmp_path / "secret.txt")
    for value in ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt"):
        with pytest.raises(InputError, match="outside of its folder"):
            load_concept(written(tmp_path / "in", RECORD | {"positive": value}))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({**RECORD, "positives": []}, "unknown field 'positives'"),
        ({"name": "sea", "description": "The sea."}, "the field 'positive' is missing"),
        ({**RECORD, "positive": 3}, "positive is a list of texts, got int"),
        ({**RECORD, "positive": ["the waves", 3]}, "positive 2 is no text, got int"),
        ({**RECORD, "positive": ["waves"]}, "positive text 1 is one word"),
        ({**RECORD, "positive": "missing.txt"}, "there is no file"),
        ([1, 2], "holds no fields, got list"),
        ("name: [sea", "is not valid YAML"),
        ("!!python/object:os.system {}", "is not valid YAML"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tmp_path, record, message):
    path = written(tmp_path, record)
    with pytest.raises(InputError) as raised:
        load_concept(path)
    assert message in str(raised.value)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_bad_json_is_named(tmp_path):
    with pytest.raises(InputError, match="is not valid JSON"):
        load_concept(written(tmp_path, "{", "sea.json"))


@pytest.mark.parametrize("name", ["wedding", "worl/wedding", "world/", "", "sea.toml"])
def test_unknown_names_say_what_there_is(name):
    with pytest.raises(UnknownName, match=r"known: world/\.\.\., or the path"):
        load_concept(name)


def test_a_family_of_concepts_is_called_with_the_rest_of_the_name():
    family = "family-of-this-test"
    CONCEPTS.register(family, lambda rest: Concept(**(RECORD | {"name": rest})))
    assert load_concept(f"{family}/deep/sea").name == "deep/sea"
