"""Prompts and draws are what they were before their helpers became one: by the formulas of then."""

import asyncio
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saesteer.examples import Explanation, LatentId
from saesteer.examples.luck import digest_luck
from saesteer.explainers.random_other import RandomOther
from saesteer.explainers.windows import one_line as of_explainers
from saesteer.llms.lines import UNSEEN, one_line
from saesteer.runs import digest
from saesteer.scorers.detection import Detection
from saesteer.scorers.fuzzing import Fuzzing
from saesteer.scorers.intruder import Intruder
from tests.scorers.records import Says, record

BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
ODD = st.text(
    st.sampled_from(f"{BREAKS}\t\x00\x1b\x7f\x9f\u202a\u202e\u2066\u2069\ud800\udfff\ufffe\uffffaé ↵")
)


@given(ODD | st.text())
def test_lines_of_scorers(text):
    assert one_line(text) == text.replace("\r\n", "\n").translate(dict.fromkeys(map(ord, BREAKS), "↵"))


@given(ODD | st.text())
def test_lines_of_explainers(text):
    said = text
    for each in ("\r\n", "\n", "\r", "\u2028", "\u2029"):
        said = said.replace(each, "↵")
    unseen = "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
    said = re.sub(unseen, "\ufffd", said.replace("\t", " "))
    assert one_line(text, UNSEEN) == of_explainers(text) == said


def test_luck_of_scorers_and_controls():
    then = np.random.default_rng(int(digest([3, "detection", "layers.3/17"])[:32], 16))
    assert (digest_luck(3, "detection", "layers.3/17").permutation(50) == then.permutation(50)).all()
    short = np.random.default_rng(int(digest([3, "layers.3", 17])[:16], 16))
    assert (
        digest_luck(3, "layers.3", 17, digits=16).integers(99, size=50) == short.integers(99, size=50)
    ).all()
    assert digest_luck(0, "a").integers(10**9) == DRAWN


DRAWN = 677937819
"""On every machine."""
ASKED = {
    "detection": "1719a354c86871a7",
    "fuzzing": "23f43097c1b3747b",
    "fuzzing_active": "c425631405eb5938",
    "intruder": "bfc8be0546335076",
}
"""Hashes of all prompts, by the version before."""


@pytest.mark.parametrize("name", ASKED)
def test_requests_are_those_of_before(name):
    client = Says(lambda request: "")
    made = {
        "detection": lambda: Detection(client),
        "fuzzing": lambda: Fuzzing(client),
        "fuzzing_active": lambda: Fuzzing(client, "active"),
        "intruder": lambda: Intruder(client, marked=True),
    }[name]()
    requests = made.requests(record(), "the sea\nand \u2028 ships")
    assert digest([[each.content for each in one.messages] for one in requests])[:16] == ASKED[name]


def test_the_control_is_that_of_before():
    pool = [Explanation(LatentId("a", n), "x", f"text {n}") for n in range(50)]
    found = [
        asyncio.run(RandomOther(pool, seed=2).explain(replace(record(), id=LatentId("a", n)))).text
        for n in range(6)
    ]
    assert found == ["text 26", "text 40", "text 11", "text 42", "text 8", "text 29"]
