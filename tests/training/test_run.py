"""A plan carried out on a tiny model: texts or a store, labels, half precision, memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from saesteer.concepts import Detector, choose_latents, detect, measured
from saesteer.errors import CorruptFile, InputError
from saesteer.latents import store_activations
from saesteer.model import load_model
from saesteer.saes import load_sae
from saesteer.text import read_texts
from saesteer.training import TrainPlan, run_plan
from tests.latents.tiny import save_model, sentences

SAES = [
    {"architecture": ["topk", "batchtopk"], "d_sae": 48, "k": 4, "checkpoint_tokens": 640},
    {"architecture": "standard", "d_sae": 64, "at": "layers.1"},
]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("run")
    save_model(root / "lm")
    rows = [{"text": text, "label": str(i % 2)} for i, text in enumerate(sentences(80))]
    (root / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def plan(place: Path, out: Path, **more) -> TrainPlan:
    given = {"model": str(place / "lm"), "texts": str(place / "texts.jsonl"), "out": str(out)}
    given |= {"tokens": 3200, "batch_tokens": 64, "buffer_tokens": 256, "saes": SAES}
    return TrainPlan.from_dict({key: value for key, value in (given | more).items() if value is not None})


def test_texts_and_patterns(place, tmp_path):
    results = run_plan(plan(place, tmp_path))
    names = [f"layers.{i}/{each}-48-k4" for each in ("topk", "batchtopk") for i in range(2)]
    assert list(results) == [*names, "layers.1/standard-64"]
    for name, each in results.items():
        sae = load_sae(tmp_path / name)
        assert sae.fingerprint() == each.sae.fingerprint()
        assert sae.cfg.metadata["model_fingerprint"] == load_model(str(place / "lm")).fingerprint()
        assert len((tmp_path / name / "metrics.jsonl").read_text().splitlines()) == len(each.metrics) > 1
        assert load_sae(tmp_path / name / "best").cfg.hook_name == sae.cfg.hook_name == name.split("/")[0]
    again = run_plan(plan(place, tmp_path))
    assert {n: r.sae.fingerprint() for n, r in again.items()} == {
        n: r.sae.fingerprint() for n, r in results.items()
    }


def test_a_half_precise_model_and_a_store(place, tmp_path):
    half = run_plan(plan(place, tmp_path / "half", dtype="bfloat16"))
    assert all(each.sae.W_enc.dtype == torch.float32 for each in half.values())
    lm = load_model(str(place / "lm"))
    store = store_activations(tmp_path, lm, sentences(80), ["layers.0", "layers.1"], shard_tokens=100)
    stored = run_plan(plan(place, tmp_path / "stored", texts=None, store=str(store.folder)))
    assert list(stored) == list(half)
    assert stored["layers.1/standard-64"].sae.cfg.metadata["activations"] == store.folder.name


def test_labels_of_texts(place, tmp_path):
    condition = {"concepts": ["odd"], "weight": 1}
    results = run_plan(plan(place, tmp_path, condition=condition, saes=SAES[:1], at=["layers.1"]))
    assert all(0.1 < each.metrics[-1].condition < 2 for each in results.values())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"batch_tokens": 32}, "stream's batch_tokens is 64, here 32"),
        ({"seed": 3}, "stream's seed is 0, here 3"),
        ({"context": 8}, "stream's context is None, here 8"),
        ({"dtype": "bfloat16"}, "stream's arithmetic is .*float32.*, here .*bfloat16"),
        ({"tokens": 6400}, "tokens is 3200, here 6400"),
    ],
)
def test_another_plan_in_the_same_folder_is_refused(place, tmp_path, change, named):
    """Whatever changes the batches: silently gone on with, the run would be neither of the two."""
    kept = {"saes": SAES[:1], "at": ["layers.1"]}
    run_plan(plan(place, tmp_path, **kept))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=named):
        run_plan(plan(place, tmp_path, **kept, **change))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_other_texts_under_the_same_name_are_refused(place, tmp_path):
    texts = tmp_path / "own.jsonl"
    texts.write_text((place / "texts.jsonl").read_text())
    kept = {"saes": SAES[1:], "texts": str(texts)}
    run_plan(plan(place, tmp_path / "out", **kept))
    with open(texts, "a") as file:
        file.write('{"text": "the old sea"}\n')
    with pytest.raises(InputError, match=r"stream's documents is .*bytes=\d+.*here .*bytes=\d+"):
        run_plan(plan(place, tmp_path / "out", **kept))


def test_a_changed_byte_of_a_store_is_named(place, tmp_path):
    lm = load_model(str(place / "lm"))
    store = store_activations(tmp_path, lm, sentences(80), ["layers.1"], shard_tokens=100)
    path = store.folder / store.shards[2]
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFile, match=rf"{path.name} was changed since it was written"):
        run_plan(plan(place, tmp_path / "out", texts=None, store=str(store.folder), saes=SAES[1:]))


def test_texts_without_a_token_to_train_on_end(place, tmp_path):
    """They repeat, so that one would look for a token for ever."""
    special = tmp_path / "special.jsonl"
    special.write_text('{"text": "<eos>"}\n' * 20)
    with pytest.raises(InputError, match="all 20 documents hold no token but those that are left out"):
        run_plan(plan(place, tmp_path / "out", texts=str(special)))


def test_one_short_text_is_repeated_to_fill_batches(place, tmp_path):
    one = tmp_path / "one.txt"
    one.write_text("the old sea\n")
    (result,) = run_plan(plan(place, tmp_path / "out", texts=str(one), saes=SAES[1:])).values()
    assert result.metrics[-1].tokens == 3200


def test_a_full_disk_leaves_the_last_good_checkpoint(place, tmp_path):
    """A limit on the size of files stands for the disk: a run goes on from there once there is room."""
    kept = {"saes": SAES[:1], "at": ["layers.1"]}
    whole = run_plan(plan(place, tmp_path / "whole", **kept))
    given = {"model": str(place / "lm"), "texts": str(place / "texts.jsonl"), "out": str(tmp_path / "out")}
    given |= {"tokens": 3200, "batch_tokens": 64, "buffer_tokens": 256, **kept}
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-c", FULL, repr(given)]
    done = subprocess.run(line, capture_output=True, text=True, env=env)
    assert "was not written" in done.stdout, done.stderr
    states = list((tmp_path / "out").rglob("state.safetensors"))
    assert states and not list((tmp_path / "out").rglob("*tmp*"))
    for state in states:
        assert load_sae(state.parent).cfg.metadata["trained_tokens"] >= 640
    again = run_plan(plan(place, tmp_path / "out", **kept))
    assert {n: r.sae.fingerprint() for n, r in again.items()} == {
        n: r.sae.fingerprint() for n, r in whole.items()
    }


FULL = """
import resource, sys, torch
torch.set_num_threads(1)
from saesteer.errors import SaesteerError
from saesteer.training import TrainPlan, run_plan
class Fill:
    def begin(self, name, earlier): pass
    def close(self): pass
    def write(self, name, metrics):
        if metrics.tokens > 1000:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
plan = TrainPlan.from_dict(eval(sys.argv[1]))
try:
    run_plan(plan, logs=[Fill()])
except SaesteerError as error:
    print(error)
"""


def test_nothing_to_train_on(place, tmp_path):
    with pytest.raises(InputError, match="nothing to train on; give texts or a store"):
        run_plan(plan(place, tmp_path, texts=None))
    assert not list(tmp_path.iterdir())


MEASURED = """
import sys, torch
torch.set_num_threads(1)
from saesteer.training import TrainPlan, run_plan
plan = TrainPlan.from_dict(eval(sys.argv[1]))
run_plan(plan)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_the_tokens(place, tmp_path):
    """32 times the tokens, at most 8 MB more: a twentieth of what their activations would take."""

    def peak(tokens: int) -> int:
        given = {"model": str(place / "lm"), "texts": str(place / "texts.jsonl"), "tokens": tokens}
        given |= {"out": str(tmp_path / str(tokens)), "batch_tokens": 512, "buffer_tokens": 4096}
        given |= {"saes": [SAES[0] | {"checkpoint_tokens": 10_000}], "at": ["layers.1"]}
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        line = [sys.executable, "-c", MEASURED, repr(given)]
        done = subprocess.run(line, capture_output=True, text=True, env=env, check=True)
        return int(done.stdout)

    few, many = 40_000, 1_280_000
    activations = (many - few) * 32 * 4 / 1024
    assert peak(many) - peak(few) < activations / 20


def test_a_labelled_data_set_conditions_a_latent_that_detects(place, tmp_path):
    """RealToxicityPrompts, as published, to an SAE, to its conditioned latent, found again by name."""
    sides = (
        (0.9, ["bride", "groom", "wedding", "ring", "kissed"]),
        (0.0, ["sea", "ship", "wave", "sailor", "crossed"]),
    )
    rows = [
        {
            "prompt": {"text": text, "toxicity": toxicity},
            "continuation": {"text": " and the", "toxicity": None},
        }
        for toxicity, words in sides
        for text in sentences(40, words=words)
    ]
    rtp = tmp_path / "rtp.jsonl"
    rtp.write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts, condition = f"real_toxicity_prompts:{rtp}", {"concepts": ["toxic"], "weight": 1}
    sae = {"architecture": "topk", "d_sae": 48, "k": 4, "lr": 0.01}
    (result,) = run_plan(
        plan(place, tmp_path / "run", texts=texts, condition=condition, saes=[sae], at=["layers.1"])
    ).values()
    lm = load_model(str(place / "lm"))
    chosen = choose_latents(lm, load_sae(tmp_path / "run/layers.1/topk-48-k4"), "toxic")
    assert chosen.latents == (0,) and "conditioned on 'toxic'" in chosen.reason
    detector = Detector(latents=chosen.latents, hookpoint="layers.1", score="z", pool="mean")
    figures = measured(detector, detect(lm, result.sae, detector, read_texts(texts)))
    assert figures.auroc.estimate > 0.9 and figures.graded == 80
