"""The folder of explanations and scores."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from saesteer.errors import CorruptFile, InputError, SaesteerError
from saesteer.examples import Explanation, Failure, Interpretation, LatentFigures, LatentId, Score
from saesteer.llms import NOTHING, Usage, total
from saesteer.pipeline.interpretation import Results, load_results, save_results
from saesteer.report.score_columns import columns
from saesteer.report.score_summary import costs

ONE, TWO = LatentId("layers.3", 1), LatentId("layers.3", 2)
OF = LatentFigures(0.25, 2.5, 8)
ABOUT = {
    "model": {"source": "world"},
    "cache": {"fingerprint": "c0"},
    "explainers": {"default": {"config": "e1"}},
    "scorers": {"detection": {"config": "s1"}, "intruder": {"config": "i1"}},
}


def explanation(latent=ONE, text="weddings", failure=None):
    return Explanation(latent, "default", text, failure)


def score(latent=ONE, text="weddings", value=0.5, scorer="detection", failures=(), usage=NOTHING):
    whose = None if text is None else "default"
    return Score(latent, scorer, text, value, {"f1": value}, (), failures, usage, whose)


@pytest.fixture
def results(tmp_path):
    found = Results(tmp_path / "run")
    found.describe(ABOUT)
    return found


def test_what_was_kept_is_loaded(results):
    results.keep("e1", explanation(), OF)
    results.keep("s1", score(), OF)
    results.keep("i1", score(text=None, scorer="intruder"), OF)
    found = load_results(results.folder)
    assert found.explanations == (explanation(),)
    assert found.scores == (score(), score(text=None, scorer="intruder"))
    assert found.latents == {ONE: OF} and found.about == ABOUT | {"version": 1}
    assert found.explanation(ONE) == explanation() and found.scorers() == ("detection", "intruder")


def test_of_two_lines_of_one_key_the_later_counts(results):
    results.keep("e1", explanation(text=None, failure=Failure("timed_out", "slow")), OF)
    results.keep("e1", explanation(TWO, "ships"), OF)
    results.keep("e1", explanation(), OF)
    results.keep("s1", score(value=None, failures=(Failure("timed_out", "slow"),)), OF)
    results.keep("s1", score(), OF)
    found = load_results(results.folder)
    assert found.explanations == (explanation(), explanation(TWO, "ships"))
    assert found.scores == (score(),)


def test_what_the_tries_before_took_stays_counted(results):
    late = Failure("timed_out", "slow")
    results.keep("e1", replace(explanation(text=None, failure=late), usage=Usage(1, 40, retries=2)), OF)
    results.keep("e1", replace(explanation(), usage=Usage(1, 100, 10, cost=0.5)), OF)
    for each in (score(value=None, failures=(late,), usage=Usage(3, 30)), score(usage=Usage(2, 20))):
        results.keep("s1", each, OF)
    found = load_results(results.folder)
    assert [each.usage for each in found.explanations] == [Usage(2, 140, 10, retries=2, cost=0.5)]
    assert [each.usage for each in found.scores] == [Usage(5, 50)]
    assert [each.usage.prompt_tokens for each in costs(found)] == [140, 50]


def two_say_the_same(results):
    results.describe(ABOUT | {"explainers": {"default": {"config": "e1"}, "other": {"config": "e2"}}})
    results.keep("e1", explanation(), OF)
    results.keep("e2", replace(explanation(), explainer="other"), OF)
    results.keep("s1", replace(score(usage=Usage(1, 9)), explainer="other"), OF)
    return load_results(results.folder)


def test_a_score_of_two_explainers_is_of_each_by_name_and_paid_for_once(results, tmp_path):
    found = two_say_the_same(results)
    assert [(each.explainer, each.value) for each in found.scores] == [("default", 0.5), ("other", 0.5)]
    assert total([each.usage for each in found.scores]) == Usage(1, 9)
    assert [each.label for each in columns(found)] == ["detection of default", "detection of other"]
    save_results(found, tmp_path / "copy")
    assert load_results(tmp_path / "copy").scores == found.scores


def test_scores_of_an_earlier_version_are_named_by_their_words(results):
    results.describe(ABOUT | {"explainers": {"default": {"config": "e1"}, "other": {"config": "e2"}}})
    results.keep("e1", explanation(), OF)
    results.keep("e2", replace(explanation(text="ships"), explainer="other"), OF)
    for text in ("ships", "weddings"):
        results.keep("s1", score(text=text), OF)
    path = results.folder / "scores.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.pop("explainer") for line in lines] == ["default"] * 2
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [each.explainer for each in load_results(results.folder).scores] == ["other", "default"]


def test_what_other_settings_found_is_kept_but_is_no_result(results):
    results.keep("e0", explanation(text="old"), OF)
    results.keep("s0", score(text="old"), OF)
    results.keep("e1", explanation(), OF)
    results.keep("s1", score(text="old"), OF)  # of an explanation that no longer stands
    results.keep("s1", score(TWO, text="old"), OF)
    results.keep("s1", score(), OF)
    found = load_results(results.folder)
    assert found.explanations == (explanation(),) and found.scores == (score(),)
    assert set(found.latents) == {ONE}
    results.describe(
        {"explainers": {"default": {"config": "e0"}}, "scorers": {"detection": {"config": "s0"}}}
    )
    found = load_results(results.folder)
    assert found.explanations == (explanation(text="old"),) and found.scores == (score(text="old"),)


def test_a_torn_last_line_is_as_if_it_never_was(results):
    results.keep("e1", explanation(), OF)
    path = results.folder / "explanations.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert load_results(results.folder).explanations == (explanation(),)
    results.keep("e1", explanation(TWO), OF)
    assert load_results(results.folder).explanations == (explanation(), explanation(TWO))


def test_a_damaged_line_is_named(results):
    results.keep("e1", explanation(), OF)
    path = results.folder / "explanations.jsonl"
    line = json.loads(path.read_text())
    line["text"] = 3
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    with pytest.raises(CorruptFile, match=r"explanations.jsonl line 2: an explanation whose text is 3"):
        load_results(results.folder)
    path.write_text('{"config": "e1"}\n')
    with pytest.raises(CorruptFile, match=r"explanations.jsonl line 1: 'of'"):
        load_results(results.folder)


def test_what_was_described_stays_but_not_with_other_examples(results):
    results.describe({"explainers": {"other": {"config": "e2"}}})
    assert set(results.about()["explainers"]) == {"default", "other"}
    results.describe({"examples": {"train": 4}, "explainers": {"other": {"config": "e3"}}})
    results.describe({"examples": {"train": 4}, "scorers": {"detection": {"config": "s3"}}})
    assert results.about()["explainers"] == {"other": {"config": "e3"}}
    assert results.about()["scorers"] == {"detection": {"config": "s3"}}


def test_a_folder_is_of_one_cache(results):
    with pytest.raises(InputError, match="holds results of another cache; give another folder"):
        results.describe({"cache": {"fingerprint": "c1"}})
    assert results.about()["cache"] == {"fingerprint": "c0"}


def test_a_folder_without_results_and_one_of_another_version(tmp_path):
    with pytest.raises(InputError, match=r"holds no explanations \(there is no about.json\)"):
        load_results(tmp_path)
    (tmp_path / "about.json").write_text('{"version": 99}')
    with pytest.raises(CorruptFile, match="none of this version"):
        load_results(tmp_path)


def test_a_whole_interpretation_is_saved_and_loaded(tmp_path):
    found = Interpretation((explanation(), explanation(TWO, "ships")), (score(),), {ONE: OF}, {"model": "x"})
    save_results(found, tmp_path / "copy")
    back = load_results(tmp_path / "copy")
    assert (back.explanations, back.scores) == (found.explanations, found.scores)
    assert back.latents == {ONE: OF, TWO: LatentFigures(0.0, 0.0, 0)} and back.about["model"] == "x"
    with pytest.raises(InputError, match="holds results already"):
        save_results(found, tmp_path / "copy")
    save_results(back, tmp_path / "again")
    assert load_results(tmp_path / "again") == back


HOLD = """
import sys
from saesteer.llms import NOTHING, Usage, total
from saesteer.pipeline.interpretation import Results
with Results(sys.argv[1]).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_do_not_write_at_once(tmp_path):
    given = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(given, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(SaesteerError, match="another process works on"),
            Results(tmp_path).locked(),
        ):
            pass
        other.stdin.close()
        assert other.wait() == 0
    with Results(tmp_path).locked():
        pass
