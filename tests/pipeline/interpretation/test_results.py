"""The folder of explanations and scores."""

import json
import subprocess
import sys

import pytest

from saesteer.errors import CorruptFile, InputError, SaesteerError
from saesteer.examples import Explanation, Failure, Interpretation, LatentFigures, LatentId, Score
from saesteer.pipeline.interpretation import Results, load_results, save_results

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


def score(latent=ONE, text="weddings", value=0.5, scorer="detection", failures=()):
    return Score(latent, scorer, text, value, {"f1": value}, (), failures)


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


def test_what_other_settings_found_is_kept_but_is_no_result(results):
    results.keep("e0", explanation(text="old"), OF)
    results.keep("s0", score(text="old"), OF)
    results.keep("e1", explanation(), OF)
    results.keep("s1", score(text="old"), OF)  # of an explanation that no longer stands
    results.keep("s1", score(), OF)
    found = load_results(results.folder)
    assert found.explanations == (explanation(),) and found.scores == (score(),)
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
