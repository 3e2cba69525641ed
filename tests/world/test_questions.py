"""The world's questions: exactly one choice is right by its own judgement, and they are the same again."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from saesteer.world.continuity import slips
from saesteer.world.questions import facts_questions, grammar_questions
from saesteer.world.reading import judge_text, read_sentence
from saesteer.world.surface import split_sentences, split_words
from saesteer.world.tasks import MAKERS, write_task

N = 40


@pytest.fixture(scope="module")
def grammar():
    return grammar_questions(N)


@pytest.fixture(scope="module")
def facts():
    return facts_questions(N)


def test_of_a_question_on_grammar_only_the_answer_is_well_formed(grammar):
    for each in grammar:
        read = [read_sentence(choice) is not None for choice in each.choices]
        assert read == [number == each.answer for number in range(4)]
        assert len(set(each.choices)) == 4
        assert len({len(split_words(choice)) for choice in each.choices}) == 1


def readings(text):
    finished, tail = split_sentences(text)
    assert not tail
    return [read_sentence(each) for each in finished]


def test_of_a_question_on_facts_all_is_well_formed_and_only_the_answer_agrees(facts):
    for each in facts:
        before = readings(each.context)
        assert None not in before and slips(before) == []
        for number, choice in enumerate(each.choices):
            found = slips([*before, read_sentence(choice)])
            assert judge_text(choice).coherence == 1
            assert found == ([] if number == each.answer else [each.kind])


def test_the_kinds_take_turns_and_the_answer_stands_anywhere(grammar, facts):
    assert Counter(each.kind for each in grammar) == {"order": 20, "word": 20}
    assert Counter(each.kind for each in facts) == dict.fromkeys(("name", "pronoun", "town", "time"), 10)
    assert {each.answer for each in grammar} == {0, 1, 2, 3} and {each.answer for each in facts} == {0, 1}


def test_questions_are_the_same_again_and_others_with_another_seed(grammar, facts):
    assert grammar_questions(10) == grammar[:10] and facts_questions(10) == facts[:10]
    assert not {each.context for each in facts_questions(10, seed=1)} & {each.context for each in facts}


@pytest.mark.parametrize("name", MAKERS)
def test_a_task_is_two_files_without_code(tmp_path, name):
    path = write_task(name, tmp_path / "tasks", n=8)
    config = yaml.safe_load(path.read_text("utf-8"))  # no tag of anybody's
    data = config["dataset_kwargs"]["data_files"]["test"]
    rows = [json.loads(line) for line in Path(data).read_text("utf-8").splitlines()]
    assert (config["task"], config["dataset_path"], len(rows)) == (name, "json", 8)
    assert {"context", "choices", "answer", "kind"} == set(rows[0])
