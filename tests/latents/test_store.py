import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
import torch

from saesteer.errors import CorruptFile, InputError
from saesteer.latents import ActivationStore, store_activations
from saesteer.model import load_model
from saesteer.text import Document
from tests.latents.tiny import WIDTH, save_model, sentences

TEXTS = sentences(40)
DOCUMENTS = [Document(text, f"doc {i}", "even" if i % 2 == 0 else None) for i, text in enumerate(TEXTS)]
OPTIONS = {"at": ["layers.0", "layers.1"], "shard_tokens": 60, "batch_tokens": 64}


@pytest.fixture
def store(lm, tmp_path):
    return store_activations(tmp_path, lm, DOCUMENTS, **OPTIONS)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("shard-*"))}


def test_a_model_of_another_dtype_makes_another_store(lm, store, tmp_path):
    narrow = load_model(save_model(tmp_path / "model"), dtype="bfloat16")
    assert narrow.fingerprint() == lm.fingerprint()
    assert store_activations(store.folder.parent, narrow, DOCUMENTS, **OPTIONS).folder != store.folder


def test_it_holds_every_token_in_order(lm, store):
    shards = list(store)
    assert len(shards) == len(store) == len(store.shards) > 3
    assert (store.hookpoints, store.widths, store.documents) == (("layers.0", "layers.1"), (WIDTH, WIDTH), 40)
    for at in store.hookpoints:
        found = torch.cat([shard.activations[at] for shard in shards])
        expected = torch.cat([lm.record(lm.tokenize([text]), at=[at])[at][0] for text in TEXTS])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        assert store.tokens == len(expected)
    ids = torch.cat([torch.from_numpy(shard.places.ids) for shard in shards])
    assert torch.equal(ids, torch.cat([lm.tokenize([text]).ids[0] for text in TEXTS]))
    documents = [int(each) for shard in shards for each in shard.places.document]
    assert documents == [i for i, text in enumerate(TEXTS) for _ in range(len(text.split()) + 1)]


def test_ids_and_labels_lie_beside_it(store):
    rows = parquet.read_table(store.folder / "documents.parquet").to_pylist()
    assert rows[3] == {"document": 3, "id": "doc 3", "label": None}
    assert rows[4] == {"document": 4, "id": "doc 4", "label": "even"}


def test_a_finished_store_is_reused_and_another_request_is_another_folder(lm, store, monkeypatch):
    monkeypatch.setattr("saesteer.latents.store._work", None)
    assert store_activations(store.folder.parent, lm, DOCUMENTS, **OPTIONS) == store
    assert ActivationStore.open(store.folder) == store
    with pytest.raises(TypeError):  # it would have to work
        store_activations(store.folder.parent, lm, DOCUMENTS[:-1], **OPTIONS)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_narrow_numbers(lm, tmp_path, store, dtype):
    narrow = store_activations(tmp_path, lm, DOCUMENTS, **OPTIONS, dtype=dtype)
    wide, found = store.read(1).activations["layers.0"], narrow.read(1).activations["layers.0"]
    assert torch.equal(found, wide.to(getattr(torch, dtype)))


def test_documents_may_be_a_path(lm, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    assert store_activations(tmp_path, lm, path, "layers.0").documents == 40


class Stop(Exception):
    pass


def interrupted(root, lm, after):
    """Begin a store and stop after some shards; the folder of its unfinished work."""
    seen = []

    def progress(tokens):
        seen.append(tokens)
        if len(seen) == after:
            raise Stop

    with pytest.raises(Stop):
        store_activations(root, lm, DOCUMENTS, **OPTIONS, progress=progress)
    (partial,) = root.glob(".*.partial")
    return partial


def test_it_resumes_bit_by_bit(lm, tmp_path, store):
    partial = interrupted(tmp_path / "other", lm, after=3)
    before = files(partial)
    assert len(before) == 3
    told = []
    resumed = store_activations(tmp_path / "other", lm, DOCUMENTS, **OPTIONS, progress=told.append)
    assert files(resumed.folder) == files(store.folder)
    assert sum(told) == store.tokens
    assert not list(resumed.folder.parent.glob(".*.partial"))


def test_it_resumes_before_the_first_shard_that_is_not_whole(lm, tmp_path, store):
    partial = interrupted(tmp_path / "other", lm, after=3)
    (partial / "shard-00001.safetensors").write_bytes(b"torn")
    resumed = store_activations(tmp_path / "other", lm, DOCUMENTS, **OPTIONS)
    assert files(resumed.folder) == files(store.folder)
    assert len(list(resumed)) == len(store)


KILLED = """
import sys
from pathlib import Path
from saesteer.latents import store_activations
from saesteer.model import load_model
from tests.latents.test_store import DOCUMENTS, OPTIONS

def progress(tokens):
    print(tokens, flush=True)
    if len(list(Path(sys.argv[2]).glob(".*.partial/shard-*"))) == 2:
        sys.stdin.read()  # until killed

store_activations(sys.argv[2], load_model(sys.argv[1]), DOCUMENTS, **OPTIONS, progress=progress)
"""


@pytest.mark.slow
def test_it_survives_kill_9(lm, tmp_path, store):
    model, root = save_model(tmp_path / "model"), tmp_path / "killed"
    repository = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(repository / "src"), str(repository)])}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(model), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    with process:
        assert process.stdout.readline() and process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    (partial,) = root.glob(".*.partial")
    assert len(files(partial)) == 2
    resumed = store_activations(root, lm, DOCUMENTS, **OPTIONS)
    assert files(resumed.folder).keys() == files(store.folder).keys()
    for ours, theirs in zip(resumed, store, strict=True):
        torch.testing.assert_close(ours.activations["layers.1"], theirs.activations["layers.1"])


def test_a_changed_or_missing_shard_is_corrupt(store):
    path = store.folder / store.shards[1]
    data = path.read_bytes()
    path.write_bytes(data[:-4] + b"\0\0\0\1")
    store.read(0)
    with pytest.raises(CorruptFile, match=r"shard-00001\.safetensors was changed"):
        store.read(1)
    with pytest.raises(CorruptFile, match="was changed"):
        list(store.batches("layers.0", 8, buffer_tokens=32))
    path.write_bytes(data[:100])
    with pytest.raises(CorruptFile, match="was changed"):
        store.read(1)
    path.unlink()
    with pytest.raises(CorruptFile, match="is missing"):
        store.read(1)


def test_batches_mix_the_shards(store):
    batches = list(store.batches("layers.0", 16, buffer_tokens=128, seed=1))
    content = store.tokens - 40
    assert len(batches) == content // 16
    again = list(store.batches("layers.0", 16, buffer_tokens=128, seed=1))
    assert all(torch.equal(a, b) for a, b in zip(batches, again, strict=True))
    with_bos = torch.cat(list(store.batches("layers.0", 1, buffer_tokens=8, skip=())))
    assert len(with_bos) == store.tokens
    with pytest.raises(InputError, match=r"the store has layers\.0, layers\.1, got 'layers\.7'"):
        store.batches("layers.7")


@pytest.mark.parametrize(
    ("documents", "options", "message"),
    [
        ([], {}, "there are no documents"),
        (iter(TEXTS), {}, "can be read only once"),
        (TEXTS, {"dtype": "int8"}, "dtype is one of"),
        (TEXTS, {"shard_tokens": 0}, "a shard holds one token or more"),
        (TEXTS, {"at": []}, "give one or more different hookpoints"),
        (TEXTS, {"at": ["layers.0", "layers.0"]}, "give one or more different hookpoints"),
    ],
)
def test_bad_requests_leave_no_store(lm, tmp_path, documents, options, message):
    with pytest.raises(InputError, match=message):
        store_activations(tmp_path, lm, documents, **(OPTIONS | options))
    assert not list(tmp_path.glob("activations-*"))


def test_another_stage_is_no_store(tmp_path):
    from saesteer.runs import run_stage

    folder = run_stage(
        tmp_path, "else", lambda folder: (folder / "index.json").write_text("{}") and None, inputs={}
    )
    with pytest.raises(InputError, match="holds else, not activations"):
        ActivationStore.open(folder)
