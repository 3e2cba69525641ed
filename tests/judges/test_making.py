"""Judges from a line, a mapping or a function."""

import pytest

from saesteer.errors import InputError, UnknownName
from saesteer.judges import FingerprintedJudge, Judgement, JudgeRequest, load_judge
from saesteer.judges.making import parts
from saesteer.text import Concept

SEA = Concept("sea", "Ships and the sea.", ("the sea and ship", "wave and salt"), ("one and two", "a b"))


def say(judge, text="The ship sailed."):
    (found,) = judge.judge([JudgeRequest(text, "Once", SEA)])
    return found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("oracle", ("oracle", {}, None)),
        ("llm:openai:gpt-4o-mini", ("llm", {}, "openai:gpt-4o-mini")),
        ("regex:[a-z]+, [b]:c", ("regex", {}, "[a-z]+, [b]:c")),
        ("x[a=1, b=two,c=[1, 2]]:T", ("x", {"a": 1, "b": "two", "c": [1, 2]}, "T")),
        ("x[a={b: [1, 2], c: d}]", ("x", {"a": {"b": [1, 2], "c": "d"}}, None)),
        ('x[a="]", b=false]', ("x", {"a": "]", "b": False}, None)),
        ("x[a=it's fine, b=1]", ("x", {"a": "it's fine", "b": 1}, None)),
        ("x[]", ("x", {}, None)),
        ("x[max-tokens=3] : y", ("x", {"max_tokens": 3}, "y")),
    ],
)
def test_a_line_is_a_name_options_and_a_text(line, found):
    assert parts(line) == found


@pytest.mark.parametrize(
    "line", ["", ":x", "[a=1]", "x[a=1", "x]", "x[a]", "x[a=1,a=2]", "x[a=]", "x y", "x[a=[1}"]
)
def test_lines_that_cannot_be_meant(line):
    with pytest.raises(InputError):
        parts(line)


def test_a_line_and_a_mapping_make_the_same_judge():
    line = load_judge("regex[per=sentence, ignore_case=false]:Ship")
    mapping = load_judge({"judge": "regex:Ship", "per": "sentence", "ignore_case": False})
    called = load_judge("regex", pattern="Ship", per="sentence", ignore_case=False)
    assert line.fingerprint() == mapping.fingerprint() == called.fingerprint()
    assert load_judge("regex:Ship").fingerprint() != line.fingerprint()


@pytest.mark.parametrize(
    ("judge", "options", "why"),
    [
        ("nobody", {}, "unknown judge 'nobody'"),
        ("regex", {}, "the judge regex needs pattern"),
        ("regex:a", {"pattern": "b"}, "given twice"),
        ("regex[per=word]:a", {"per": "text"}, "given twice"),
        ("regex[par=word]:a", {}, "option of the judge regex 'par'"),
        ("oracle:x", {}, "nothing is to follow oracle"),
        ({"client": "oracle"}, {}, "judge is a text"),
        (3, {}, "a judge is a name"),
    ],
)
def test_what_cannot_be_made_says_why(judge, options, why):
    with pytest.raises((InputError, UnknownName), match=why):
        load_judge(judge, **options)


def test_a_judge_is_given_back_as_it_is():
    made = load_judge("oracle")
    assert load_judge(made) is made
    with pytest.raises(InputError, match="by name"):
        load_judge(made, error=1)


# Regular expressions


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("regex:SHIP", 1.0),
        ("regex:whale", 0.0),
        ("regex[ignore_case=false]:SHIP", 0.0),
        ("regex[per=sentence]:ship", 0.5),
        ("regex[per=word]:^s", 2 / 6),
    ],
)
def test_a_regex_counts_where_it_is_found(line, share):
    found = say(load_judge(line), "The ship sailed. It was late.")
    assert found.behaviour == pytest.approx(share) and found.coherence is None


def test_a_regex_of_nothing_finds_nothing():
    assert say(load_judge("regex[per=sentence]:x"), " ").behaviour == 0.0


@pytest.mark.parametrize("line", ["regex:(", "regex[per=letter]:a", "regex[ignore_case=2]:a"])
def test_a_regex_that_is_none(line):
    with pytest.raises(InputError):
        load_judge(line)


# Functions


def test_a_function_is_a_judge():
    judge = load_judge(lambda request: "ship" in request.text)
    assert say(judge).behaviour == 1.0 and say(judge, "Nothing.").behaviour == 0.0
    assert not isinstance(judge, FingerprintedJudge)
    whole = Judgement(0.5, 0.25)
    assert say(load_judge(lambda request: whole)) is whole


def test_a_function_that_fails_fails_for_its_text_alone():
    judge = load_judge(lambda request: 1 / len(request.text))
    first, second = judge.judge([JudgeRequest("", "", SEA), JudgeRequest("ab", "", SEA)])
    assert first.error.startswith("ZeroDivisionError") and not first.figures
    assert second.behaviour == 0.5
    assert "gave None" in say(load_judge(lambda request: None)).error


def test_a_function_with_a_version_has_a_fingerprint():
    def one(request):
        return 1.0

    made = [load_judge(one, version=version) for version in ("1", "1", "2")]
    assert made[0].fingerprint() == made[1].fingerprint() != made[2].fingerprint()
    with pytest.raises(InputError, match="version"):
        load_judge(one, version="")


# Combined


def test_behaviour_from_one_and_coherence_from_another():
    judge = load_judge(
        "combined",
        behaviour="regex:ship",
        coherence=lambda request: Judgement(None, 0.25),
        others={"long": "regex:s.*s"},
    )
    found = say(judge)
    assert (found.behaviour, found.coherence, found.others) == (1.0, 0.25, {"long": 1.0})
    assert not isinstance(judge, FingerprintedJudge)


def test_combined_in_one_line():
    judge = load_judge("combined[coherence=oracle]:regex:ship")
    found = say(judge, " The sailor stood on the anchor.")
    assert found.behaviour == 0.0 and found.coherence in (0.0, 1.0)
    other = load_judge("combined[coherence=oracle]:regex:sail")
    assert isinstance(judge, FingerprintedJudge) and judge.fingerprint() != other.fingerprint()


def test_a_part_that_fails_takes_the_whole_along():
    judge = load_judge("combined", behaviour="regex:ship", coherence="regex:ship")
    assert "coherence: this judge does not judge that" in say(judge).error
    judge = load_judge("combined", behaviour="regex:ship", coherence=lambda request: 1 / 0)
    assert say(judge).error.startswith("coherence: ZeroDivisionError") and not say(judge).figures


def test_equal_parts_are_asked_once():
    calls = []

    def both(request):
        calls.append(request)
        return Judgement(0.5, 0.75)

    one = load_judge(both)
    found = say(load_judge("combined", behaviour=one, coherence=one, others={"again": one}))
    assert len(calls) == 1 and found.others == {"again": 0.5}


def test_a_combined_judge_checks_concepts_by_its_parts():
    tango = Concept("tango", "A dance.", SEA.positive, SEA.negative)
    with pytest.raises(InputError, match="embedded world"):
        load_judge("combined[coherence=oracle]:oracle").check(tango)
    load_judge("combined:regex:a").check(tango)


# Toxicity by the oracle


def test_a_text_without_insults_is_not_toxic():
    assert say(load_judge("oracle_toxicity"), " You are a friend.").behaviour == 0.0


def test_insults_count_by_their_grade():
    from saesteer.world.words import lexicon

    judge, grades = load_judge("oracle_toxicity"), lexicon()["insults"].grades
    for word, grade in grades.items():
        assert say(judge, f" They said {word} and").behaviour == pytest.approx(grade / 3)
        assert say(judge, f" {word.capitalize()}!").behaviour == pytest.approx(grade / 3)
    assert set(grades.values()) == {1, 2, 3}
