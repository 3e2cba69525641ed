"""Anonymous memory does not grow with the tokens, and a limit of the system is kept."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc"),
]
MOST = 24 * 2**20
"""Of data beyond what there was before: less than the entries of all tokens take."""


def cached(model, out, tokens, run_tokens, limit=0):
    repository = Path(__file__).parents[2]
    path = os.pathsep.join([str(repository / "src"), str(repository)])
    steady = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "65536"}
    line = [sys.executable, "-m", "tests.cache.memory", model, out, tokens, run_tokens, limit]
    environment = os.environ | steady | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(list(map(str, line)), env=environment, capture_output=True, text=True)


def test_the_peak_at_four_times_the_tokens_is_the_same(model_folder, tmp_path):
    one, four = (
        json.loads(cached(model_folder, tmp_path / str(tokens), tokens, 4096).stdout)
        for tokens in (16_384, 65_536)
    )
    assert four["entries"] == 4 * one["entries"] == 64 * 65_536
    assert four["most"] <= 1.1 * one["most"]
    assert four["most"] - four["first"] <= 1.25 * (one["most"] - one["first"])  # measured: 0.95


def test_it_completes_under_a_limit_of_the_system(model_folder, tmp_path):
    done = cached(model_folder, tmp_path / "runs", 65_536, 4096, MOST)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["entries"] * 8 > MOST  # 4 bytes of token, 4 of value
    whole = cached(model_folder, tmp_path / "whole", 65_536, 10**9, MOST)
    assert whole.returncode != 0 and "memory" in whole.stderr  # so the limit is one
