"""Files that are torn, wrong or meant to do harm: one clear line, nothing executed, nothing allocated."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from saesteer.errors import CorruptFile, InputError, NotAnSAE, SaesteerError, ShapeMismatch
from saesteer.saes import SAE, load_sae
from saesteer.saes.loaders import files
from tests.saes.foreign import MADE, D, N

every = pytest.mark.parametrize("name", MADE)
FAMILIES = ("sae_lens-topk", "sparsify-skip_transcoder", "gemma_scope-res", "gemma_scope_2-skip", "openai-v5")
FAMILIES += ("dictionary_learning-BatchTopKSAE", "scar-jumprelu", "sae_lens-batchtopk")


class Payload:
    """Unpickled by the ordinary loader, it writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path) -> Path:
    """A file that a payload would make; the payload works."""
    mark = tmp_path / "executed"
    pickle.loads(pickle.dumps(Payload(mark)))
    assert mark.exists()
    mark.unlink()
    return mark


def refused(path: Path, *kinds: type[SaesteerError], match: str | None = None) -> None:
    with pytest.raises(kinds or SaesteerError, match=match) as caught:
        load_sae(path)
    line = str(caught.value)
    assert line and "\n" not in line


@every
def test_torn_files(tmp_path, name):
    made = MADE[name](tmp_path)
    data = made.weights.read_bytes()
    for size in (0, 7, 100, len(data) // 2, len(data) - 8):
        made.weights.write_bytes(data[:size])
        refused(made.path, CorruptFile, match="is not a whole|claims the shape")
    made.weights.write_bytes(b"\x80\x04" + data)
    refused(made.path, CorruptFile)


@pytest.mark.parametrize("name", ["openai-v5", "openai-v1", *(n for n in MADE if n.startswith("dictionary"))])
def test_a_pickle_with_code_is_not_run(tmp_path, mark, name):
    made = MADE[name](tmp_path)
    state = torch.load(made.weights, weights_only=True)
    torch.save({**state, "extra": Payload(mark)}, made.weights)
    refused(made.path, NotAnSAE, match="could run code")
    torch.save({**state, "extra": Payload(mark)}, made.weights, _use_new_zipfile_serialization=False)
    refused(made.path, CorruptFile)
    made.weights.write_bytes(pickle.dumps(Payload(mark)))
    refused(made.path, CorruptFile)
    with zipfile.ZipFile(made.weights, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Payload(mark), protocol=2))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    refused(made.path)
    assert not mark.exists()


def test_arrays_of_objects_are_not_read(tmp_path, mark):
    made = MADE["gemma_scope-res"](tmp_path)
    arrays = dict(np.load(made.weights))
    np.savez(made.weights, **{**arrays, "b_enc": np.array([Payload(mark)], dtype=object)})
    refused(made.path, NotAnSAE, match="b_enc.npy holds object and not numbers")
    with zipfile.ZipFile(made.weights, "w") as archive:
        archive.writestr("W_enc.npy", pickle.dumps(Payload(mark)))
    refused(made.path, CorruptFile)
    assert not mark.exists()


def test_other_things_in_a_torch_file(tmp_path):
    made = MADE["openai-v5"](tmp_path)
    state = torch.load(made.weights, weights_only=True)
    for value, match in (([1, 2], "holds a list"), (state["pre_bias"], "holds a Tensor, not the tensors")):
        torch.save(value, made.weights)
        refused(made.path, NotAnSAE, match=match)
    torch.save({**state, "hooks": [1]}, made.weights)
    refused(made.path, NotAnSAE, match="holds a list as 'hooks'")
    torch.save({**state, "unet.weight": torch.ones(2)}, made.weights)
    refused(made.path, NotAnSAE, match=r"no SAE of OpenAI: its state dict holds unet\.weight")
    torch.save({**state, "encoder.weight": state["encoder.weight"].to_sparse()}, made.weights)
    refused(made.path)
    deep: dict = {}
    for _ in range(100):
        deep = {"more": deep}
    torch.save({**state, "activation_state_dict": deep}, made.weights)
    refused(made.path, NotAnSAE, match="holds a dict as 'more'")


def test_a_stride_of_zero_does_not_stand_for_a_terabyte(tmp_path):
    made = MADE["openai-v5"](tmp_path)
    state = torch.load(made.weights, weights_only=True)
    for shape in ((10**6, 10**6), (N, D)):
        torch.save({**state, "encoder.weight": torch.zeros(1).expand(shape)}, made.weights)
        refused(made.path, CorruptFile, match=r"encoder\.weight claims the shape")


def test_a_torch_file_that_inflates(tmp_path):
    made = MADE["openai-v5"](tmp_path)
    whole = zipfile.ZipFile(made.weights)
    parts = {entry.filename: whole.read(entry) for entry in whole.infolist()}
    with zipfile.ZipFile(made.weights, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    refused(made.path, CorruptFile, match="compressed")
    with zipfile.ZipFile(made.weights, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data + (b" " * (files.PICKLE + 1)) * name.endswith(".pkl"))
    refused(made.path, CorruptFile, match="bytes of names and shapes")


def npy(shape: tuple[int, ...], data: bytes) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue() + data


def test_an_array_that_inflates_or_claims_too_much(tmp_path):
    made = MADE["gemma_scope-res"](tmp_path)
    for shape, data in (((10**6, 10**6), b"\0" * 64), ((2**22,), b"\0" * 2**24), ((3,), b"\0" * 8)):
        with zipfile.ZipFile(made.weights, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("W_enc.npy", npy(shape, data))
        refused(made.path, CorruptFile, match=r"W_enc\.npy claims the shape")


def test_a_safetensors_header_that_claims_too_much(tmp_path):
    made = MADE["gemma_scope_2-sae"](tmp_path)
    header = json.dumps({"w_enc": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}})
    made.weights.write_bytes(struct.pack("<Q", len(header)) + header.encode() + b"\0" * 64)
    refused(made.path, CorruptFile, match="not a whole safetensors file")
    made.weights.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    refused(made.path, CorruptFile)


def test_a_config_that_claims_too_much(tmp_path):
    made = MADE["sae_lens-batchtopk"](tmp_path)
    cfg = json.loads((made.path / "cfg.json").read_text())
    (made.path / "cfg.json").write_text(json.dumps({**cfg, "d_sae": 10**15}))
    refused(made.path, ShapeMismatch, match="d_sae 1000000000000000")


@pytest.mark.parametrize(
    "name", [n for n in MADE if not n.startswith(("openai", "dictionary", "gemma_scope-"))]
)
def test_mis_shaped_tensors(tmp_path, name):
    made = MADE[name](tmp_path)
    tensors = load_file(made.weights)
    for key, each in tensors.items():
        if each.ndim:
            for wrong in (each[:-1], each[None]):
                if key == "w_enc" and "transcoder" in name and wrong.ndim == 2:
                    continue  # a narrower one: nothing else has the width of what comes in
                save_file({**tensors, key: wrong.contiguous()}, made.weights)
                refused(made.path, ShapeMismatch, NotAnSAE)
    for key in tensors:
        save_file({other: each for other, each in tensors.items() if other != key}, made.weights)
        if key != "affine_skip_connection":
            refused(made.path, NotAnSAE)
    save_file({n: (e if e.ndim == 0 else e * torch.nan) for n, e in tensors.items()}, made.weights)
    refused(made.path, NotAnSAE)


@pytest.mark.parametrize("name", [n for n in MADE if n.startswith(("openai", "dictionary"))])
def test_mis_shaped_tensors_of_torch_files(tmp_path, name):
    made = MADE[name](tmp_path)
    state = torch.load(made.weights, weights_only=True)
    stays = {"stats_last_nonzero", "latents_activation_frequency", "latents_mean_square", "group_sizes"}
    stays |= {"threshold"} if name.endswith("AutoEncoderTopK") else set()
    for key, each in state.items():
        if isinstance(each, torch.Tensor) and each.ndim and key not in stays:
            torch.save({**state, key: each[:-1].clone()}, made.weights)
            refused(made.path, ShapeMismatch, NotAnSAE)
        if key == "k":
            torch.save({**state, key: torch.tensor([[3, 4]])}, made.weights)
            if name.endswith("AutoEncoderTopK"):
                refused(made.path, NotAnSAE, match="k is a whole number")


def test_an_index_that_leads_out_of_its_folder(tmp_path):
    made = MADE["scar-topk"](tmp_path / "inside")
    outside = tmp_path / "outside.safetensors"
    shutil.copy(made.weights, outside)
    index = made.path / "model.safetensors.index.json"
    places = json.loads(index.read_text())["weight_map"]
    for to in ("../outside.safetensors", str(outside)):
        index.write_text(json.dumps({"weight_map": {name: to for name in places}}))
        refused(made.path, InputError, match="leads out of")
    index.write_text(json.dumps({"weight_map": dict.fromkeys(places, "gone.safetensors")}))
    refused(made.path, SaesteerError, match="gone")
    index.write_text(json.dumps({"weight_map": [1]}))
    refused(made.path, NotAnSAE, match="no weight_map")


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def loads_or_says_why(path: Path) -> None:
    try:
        assert isinstance(load_sae(path), SAE)
    except SaesteerError as error:
        assert str(error) and "\n" not in str(error)


@pytest.mark.parametrize("name", FAMILIES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_config(name, data):
    with tempfile.TemporaryDirectory() as root:
        made = MADE[name](Path(root))
        configs = [each for each in made.path.rglob("*.json")] if made.path.is_dir() else []
        if not configs:
            return
        path = data.draw(st.sampled_from(sorted(configs)))
        value = json.loads(path.read_text())
        at = value["trainer"] if "trainer" in value and data.draw(st.booleans()) else value
        for key in data.draw(st.lists(st.sampled_from(sorted(at)), min_size=1, max_size=2)):
            at[key] = data.draw(JUNK)
        path.write_text(json.dumps(value))
        loads_or_says_why(made.path)


@pytest.mark.parametrize("name", FAMILIES)
@settings(deadline=None, max_examples=40)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_bytes(name, changes):
    with tempfile.TemporaryDirectory() as root:
        made = MADE[name](Path(root))
        data = bytearray(made.weights.read_bytes())
        for where, byte in changes:
            data[int(where**3 * (len(data) - 1))] = byte  # more of them in front, where the headers are
        made.weights.write_bytes(bytes(data))
        loads_or_says_why(made.path)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64])
@pytest.mark.parametrize("name", ["sae_lens-topk", "scar-jumprelu", "gemma_scope_2-skip", "openai-v5"])
def test_dtypes_that_nothing_can_be_computed_with(tmp_path, name, dtype):
    made = MADE[name](tmp_path)
    if made.weights.suffix == ".safetensors":
        held = {key: each.to(dtype) for key, each in load_file(made.weights).items()}
        save_file(held, made.weights)
    else:
        state = torch.load(made.weights, weights_only=True)
        torch.save(
            {k: v.to(dtype) if isinstance(v, torch.Tensor) else v for k, v in state.items()}, made.weights
        )
    refused(
        made.path, NotAnSAE, match=r"as (float8_e4m3fn|float8_e5m2|complex64), which cannot be computed with"
    )
