"""The oracle behind the protocol of judges."""

import pytest

from saesteer.errors import InputError
from saesteer.judges import Judge, JudgeRequest, load_judge
from saesteer.text.concept import Concept
from saesteer.world import judge as judge_module
from saesteer.world.texts import world_concept

WEDDING = "She took the bouquet from the bride."
NEUTRAL = "Hours went by."


def judge(text, prompt="Anna lived alone in Harlow.", concept=None):
    [judgement] = load_judge("oracle").judge(
        [JudgeRequest(text, prompt, concept or world_concept("wedding"))]
    )
    return judgement


def test_it_follows_the_protocol():
    assert isinstance(load_judge("oracle"), Judge)


def test_its_fingerprint_is_of_the_lexicon_and_of_its_revision(monkeypatch):
    files = judge_module._lexicon_files()
    assert "wedding.yaml" in files
    first = load_judge("oracle").fingerprint()
    assert first == load_judge("oracle").fingerprint()
    monkeypatch.setattr(judge_module, "_lexicon_files", lambda: files | {"wedding.yaml": "changed"})
    assert load_judge("oracle").fingerprint() != first
    monkeypatch.undo()
    monkeypatch.setattr(judge_module, "REVISION", judge_module.REVISION + 1)
    assert load_judge("oracle").fingerprint() != first


def test_it_counts_sentences():
    judgement = judge(f" {WEDDING} {NEUTRAL} Altar the bride.")
    assert judgement.behaviour == pytest.approx(1 / 3)
    assert judgement.coherence == pytest.approx(2 / 3)
    assert judgement.lenient == pytest.approx(2 / 3)
    assert judgement.detail["sentences"] == 3
    assert judgement.error is None


def test_a_sentence_that_the_prompt_left_open_is_judged_whole():
    assert judge(" from the bride.", prompt="Nothing happened. She took the bouquet").behaviour == 1.0
    assert judge(" from the bride.", prompt="Nothing happened.").behaviour == 0.0


def test_nothing_written_is_nothing_shown():
    assert judge("").behaviour == judge("").coherence == 0.0


def test_insults_have_grades():
    concept = world_concept("insults")
    teasing, vicious = (
        judge(f' She yelled, "Get lost, you {quality} {person}!"', concept=concept).detail["grade"]
        for quality, person in (("silly", "goose"), ("loathsome", "scoundrel"))
    )
    assert (teasing, vicious) == (1, 3)


def test_a_concept_of_another_world_is_refused():
    concept = Concept("golden gate", "the bridge", ("The bridge is red.",), ("The cat is black.",))
    with pytest.raises(InputError, match="embedded world"):
        judge(WEDDING, concept=concept)
