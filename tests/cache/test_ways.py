"""A resumed cache is that of one process, also where the two would choose their latents differently."""

import json

import pytest
import torch

from saesteer.cache import cache_latents
from saesteer.cache.attempt import JOURNAL
from saesteer.cache.ways import Way
from saesteer.errors import SaesteerError
from saesteer.saes.first_pass_probe import ROWS
from tests.cache.test_resuming import Stopped, files, partial, stopping
from tests.latents.tiny import D_SAE, WIDTH, sae, sentences

TEXTS = sentences(160)
OPTIONS = {"context": 9, "batch_tokens": 256, "run_tokens": 200, "dtype": "float32"}


def tied():
    """Some of its latents are equal, so that the edge of the k largest is a tie now and then."""
    one = sae()
    one.W_enc[:, -2:], one.b_enc[-2:] = one.W_enc[:, :2], one.b_enc[:2]
    return one


def made(root, lm, way, texts=TEXTS, **options):
    one = tied()
    one.first_pass = way
    found = cache_latents(root, lm, {"a": one, "b": sae("standard", 1)}, texts, **OPTIONS | options)
    assert one.first_pass == way
    return found


@pytest.fixture(scope="module")
def whole(lm, tmp_path_factory):
    """Way -> the cache that one process makes."""
    return {way: made(tmp_path_factory.mktemp(way), lm, way) for way in ("always", "never")}


def of(cache):
    return files(cache.about["folder"])


def test_the_two_ways_differ_in_last_bits(whole):
    """Else no test here could fail."""
    always, never = of(whole["always"]), of(whole["never"])
    assert always["saes/0/values.npy"] != never["saes/0/values.npy"]
    assert always["saes/0/tokens.npy"] == never["saes/0/tokens.npy"]


@pytest.mark.parametrize(("first", "second"), [("always", "never"), ("never", "always")])
@pytest.mark.parametrize(("stage", "after"), [("reading", 3), ("reading", 8), ("merging", 2)])
def test_the_way_of_the_beginning_is_kept(lm, tmp_path, whole, first, second, stage, after):
    with pytest.raises(Stopped):
        made(tmp_path, lm, first, progress=stopping(stage, after, []))
    assert of(made(tmp_path, lm, second)) == of(whole[first])


def test_where_no_run_is_whole_the_way_is_settled_anew(lm, tmp_path, whole):
    with pytest.raises(Stopped):
        made(tmp_path, lm, "always", progress=stopping("reading", 1, []))
    assert of(made(tmp_path, lm, "never")) == of(whole["never"])


def test_rows_that_fell_back_are_counted_over_all_attempts(lm, tmp_path, whole):
    said = whole["always"]["a"].about["first_pass"]
    rows = whole["always"]["a"].statistics.tokens
    assert rows / 2 < said["rows"] <= rows and 0 < said["fell_back"] < said["rows"]
    assert whole["never"]["a"].about["first_pass"] == {"rows": 0, "fell_back": 0}
    with pytest.raises(Stopped):
        made(tmp_path, lm, "always", progress=stopping("reading", 8, []))
    assert made(tmp_path, lm, "always")["a"].about["first_pass"] == said


def test_too_many_that_fell_back_end_it_at_the_next_run(lm, tmp_path, whole, monkeypatch):
    monkeypatch.setattr("saesteer.cache.ways.FALLEN", 0.0)
    found = made(tmp_path / "one", lm, "always")
    lines = whole["always"]["a"].about["first_pass"]["rows"]
    rows = found["a"].about["first_pass"]["rows"]
    assert 100 < rows < lines / 2  # of the first run alone
    with pytest.raises(Stopped):
        made(tmp_path / "two", lm, "always", progress=stopping("reading", 8, []))
    runs = [json.loads(line) for line in (partial(tmp_path / "two") / JOURNAL).read_text().splitlines()]
    assert [run["saes"]["0"]["first_pass"]["rows"] for run in runs] == [rows] + [0] * (len(runs) - 1)
    assert len(runs) > 2 and of(made(tmp_path / "two", lm, "never")) == of(found)


def test_an_sae_that_was_used_before_settles_it_like_a_fresh_one(lm, tmp_path, whole):
    one = tied()
    one.first_pass = "always"
    one.encode_sparse(torch.randn(5000, WIDTH))
    found = cache_latents(tmp_path, lm, {"a": one, "b": sae("standard", 1)}, TEXTS, **OPTIONS)
    assert of(found) == of(whole["always"])


def test_few_tokens_settle_nothing():
    one, way = sae(), Way()
    one.first_pass = "always"
    x = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(0))
    way.encode(one, x[:-1])
    assert (way.first, way.rows, one.tally.rows) == (None, 0, 0)
    way.encode(one, x)
    assert (way.first, way.rows) == (True, ROWS)
    way.encode(one, x[:-1])
    assert way.rows == ROWS
    assert way.record() == {"first_pass": {"taken": True, "rows": ROWS, "fell_back": way.fell_back}}
    way.begin([{}, way.record()])  # a run of an older version says nothing
    assert (way.first, way.rows) == (True, 0)


def test_an_sae_that_cannot_go_that_way_is_refused():
    x = torch.randn(ROWS, WIDTH, dtype=torch.bfloat16)
    with pytest.raises(SaesteerError, match=r"in float32 on a CPU.*here it is torch.bfloat16 on cpu"):
        Way(first=True).encode(sae().bfloat16(), x)


def test_what_the_sae_was_told_is_kept_after_an_error():
    one = sae()
    with pytest.raises(Exception, match=f"{WIDTH + 1}|shape"):
        Way(first=True).encode(one, torch.zeros(ROWS, WIDTH + 1))
    assert one.first_pass == "probe" and one.cfg.d_sae == D_SAE
