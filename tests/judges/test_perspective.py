"""Perspective against a server that misbehaves: what is asked again, where the key goes, what is kept."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

from saesteer.errors import InputError
from saesteer.judges import JudgeRequest, load_judge
from saesteer.judges.perspective import PerspectiveJudge
from saesteer.judges.perspective_api import PerspectiveClient
from saesteer.llms.retries import Clock
from saesteer.text import Concept

SEA = Concept("sea", "Ships and the sea.", ("the sea and ship", "wave and salt"), ("one and two", "a b"))
KEY = "k3y-of-nobody"


class FakeClock(Clock):
    """Time that passes by sleeping alone."""

    def __init__(self):
        self.slept, self._time = [], 1000.0

    def now(self):
        return self._time

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self._time += seconds


def started(*arguments):
    server = Path(__file__).with_name("server.py")
    process = subprocess.Popen([sys.executable, server, *arguments], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


@pytest.fixture(scope="module")
def ports():
    other, second = started()
    first, port = started(str(second))
    yield port, second
    for each in (first, other):
        each.terminate()
        each.wait()
        each.stdout.close()


@pytest.fixture
def port(ports):
    return ports[0]


@pytest.fixture(autouse=True)
def key(monkeypatch, tmp_path):
    monkeypatch.setenv("PERSPECTIVE_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)


def seen(port, word):
    opener = build_opener(ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/seen/{word}", timeout=30) as answer:
        return json.loads(answer.read())


def judge_of(port, clock=None, cache=None, **options):
    given = {"retries": 2, "per_second": 1000.0, **options}
    client = PerspectiveClient(base_url=f"http://127.0.0.1:{port}", clock=clock or FakeClock(), **given)
    return PerspectiveJudge(client=client, cache=cache)


def judged(judge, *texts):
    return judge.judge([JudgeRequest(text, "Once", SEA) for text in texts])


def test_scores_are_behaviour_and_further_figures(port):
    judge = judge_of(port, attributes=["TOXICITY", "INSULT"])
    one, other, empty = judged(judge, "fine:0.25 a", "fine:0.75 b", " ")
    assert (one.behaviour, one.coherence, one.others) == (0.25, None, {"insult": 0.25})
    assert (other.behaviour, empty.behaviour) == (0.75, 0.0)
    assert judge.spent["requests"] == 2
    body = seen(port, "fine:0.25")[0]["body"]
    assert body["requestedAttributes"] == {"TOXICITY": {}, "INSULT": {}} and body["doNotStore"] is True


def test_the_key_goes_in_a_header_and_in_no_address(port):
    judged(judge_of(port), "fine:0.125 x")
    (request,) = seen(port, "fine:0.125")
    assert request["headers"]["x-goog-api-key"] == KEY and KEY not in request["path"]


def test_without_a_key_it_says_which_variable(monkeypatch):
    monkeypatch.delenv("PERSPECTIVE_API_KEY")
    with pytest.raises(InputError, match="PERSPECTIVE_API_KEY"):
        load_judge("perspective")


def test_no_key_over_plain_http_and_none_in_an_address():
    with pytest.raises(InputError, match="plain http"):
        PerspectiveClient(base_url="http://example.com")
    with pytest.raises(InputError):
        PerspectiveClient(base_url="https://a:b@example.com")
    with pytest.raises(InputError, match="key_env"):
        PerspectiveClient(base_url="https://example.com", key_env=None)


def test_a_redirect_is_not_followed(ports):
    (found,) = judged(judge_of(ports[0]), "elsewhere x")
    assert found.error.startswith("refused") and not seen(ports[1], "elsewhere")


def test_a_server_that_asks_to_wait_is_waited_for(port):
    clock = FakeClock()
    (found,) = judged(judge_of(port, clock), "limited:7 x")
    assert found.behaviour == 0.5 and max(clock.slept) == 7.0


def test_a_server_that_asks_for_too_long_is_given_up(port):
    (found,) = judged(judge_of(port), "limited:700 x")
    assert found.error.startswith("rate_limited") and not found.figures


def test_what_may_help_is_asked_again_and_the_rest_is_not(port):
    judge = judge_of(port)
    (found,) = judged(judge, "broken x")
    assert found.behaviour == 0.5 and judge.spent["retries"] == 1
    for status, count, kind in ((500, 3, "unavailable"), (429, 3, "rate_limited"), (403, 1, "refused")):
        judge = judge_of(port)
        (found,) = judged(judge, f"always:{status} x")
        assert found.error.startswith(kind) and judge.spent["failures"] == {kind: 1}
        assert len(seen(port, f"always:{status}")) == count


@pytest.mark.parametrize("word", ["odd:high", "odd:text", "odd:none", "odd:yes", "empty", "html"])
def test_an_answer_that_is_no_score_is_a_failure(port, word):
    (found,) = judged(judge_of(port), f"{word} x")
    assert found.error.startswith("bad_reply") and not found.figures


def test_a_connection_that_is_cut_or_slow_is_a_failure_of_its_kind(port):
    (found,) = judged(judge_of(port), "cut x")
    assert found.error.startswith("unavailable")
    (found,) = judged(judge_of(port, timeout=0.2, retries=0), "slow x")
    assert found.error.startswith("timed_out")


def test_no_message_holds_the_key(port):
    (found,) = judged(judge_of(port), "echo x")
    assert "***" in found.error and KEY not in found.error
    assert KEY not in repr(PerspectiveClient()) and KEY not in PerspectiveClient().name


def test_a_text_that_is_too_long_is_not_sent(port):
    (found,) = judged(judge_of(port), "fine:0.5 " + "ü" * 10_240)
    assert found.error.startswith("refused") and "20480" in found.error


def test_requests_keep_their_distance(port):
    clock = FakeClock()
    judged(judge_of(port, clock, per_second=2.0), *(f"fine:0.5 {i}" for i in range(5)))
    assert sum(clock.slept) == pytest.approx(4 / 2)


def test_answers_are_kept_and_failures_are_not(port, tmp_path):
    texts = ("fine:0.375 a", "always:404 b")
    judged(judge_of(port, cache=tmp_path / "kept"), *texts)
    again = judge_of(port, cache=tmp_path / "kept")
    first, second = judged(again, *texts)
    assert first.behaviour == 0.375 and second.error
    assert len(seen(port, "fine:0.375")) == 1 and len(seen(port, "always:404")) == 2
    assert again.spent["cached"] == 1
    assert not any(KEY in path.read_text() for path in (tmp_path / "kept").rglob("*.json"))


def test_a_judge_can_be_asked_again(port):
    judge = judge_of(port)
    assert judged(judge, "fine:0.5 a")[0].behaviour == judged(judge, "fine:0.5 b")[0].behaviour == 0.5
