"""The spec is validated early, names the field it fails at, and survives a file."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saesteer.errors import BadSpec, CorruptFile, InputError
from saesteer.steering import (
    OPERATIONS,
    Intervention,
    ModelRef,
    SAERef,
    SteeringSpec,
    Strength,
    TensorRef,
    When,
    Where,
    load_spec,
)
from saesteer.steering.op_fields import FIELDS
from tests.steering import tiny

FULL = SteeringSpec(
    (
        Intervention("layers.1", "add", tensor="v", strength=Strength(0.4, "residual_norm", resolved=17.6)),
        Intervention("layers.2", "project_out", tensor="w", where=Where((0, 8), skip=())),
        Intervention("layers.1", "set_latents", sae="s", latents=((3, 4.0), (7, -0.5)), only_active=True),
        Intervention("layers.1", "splice", sae="s", when=When("s", "layers.0", 7, 2.5, "sequence")),
        Intervention(
            "layers.2", "add_latents", sae="s", latents=((1, 0.5),), unit="latent_max", keep_error=False
        ),
    ),
    tensors={"v": TensorRef.of(tiny.vector()), "w": TensorRef(sae="s", latents=((3, 1.0), (7, -0.5)))},
    saes={"s": SAERef("world/layers.3", "ab" * 32)},
    model=ModelRef("world", None, "cd" * 16),
    provenance={"method": "by hand", "texts": [3, 4]},
)


def record(**changes):
    """A small spec as a file has it, with one intervention changed."""
    each = {"hookpoint": "layers.1", "op": "add", "tensor": "w", **changes}
    return {
        "version": 1,
        "saes": {"s": {"source": "world/layers.3"}},
        "tensors": {"w": {"sae": "s", "latents": [[3, 1.0]]}},
        "interventions": [each],
    }


# Round trips


@pytest.mark.parametrize("ending", ["yaml", "yml", "json", "YAML"])
def test_a_file_gives_the_spec_back(tmp_path, ending):
    path = tmp_path / f"my spec.{ending}"
    saved = FULL.save(path)
    found = load_spec(path)
    assert found == FULL == saved and found.fingerprint() == FULL.fingerprint()
    assert torch.equal(found.tensors["v"].value, tiny.vector())
    assert found.to_dict() == saved.to_dict()
    assert found.save(tmp_path / "again.json") == found


def test_the_file_is_the_format_of_the_map(tmp_path):
    FULL.save(tmp_path / "a.yaml")
    found = yaml.safe_load((tmp_path / "a.yaml").read_text())
    assert list(found) == ["version", "model", "saes", "tensors", "interventions", "provenance"]
    assert found["tensors"]["w"] == {"sae": "s", "latents": [[3, 1.0], [7, -0.5]]}
    assert found["interventions"][0]["strength"] == {"value": 0.4, "unit": "residual_norm", "resolved": 17.6}
    assert found["interventions"][1]["where"] == {"positions": [0, 8], "skip": []}
    assert (tmp_path / found["tensors"]["v"]["file"]).is_file()


@st.composite
def specs(draw):
    finite = st.floats(-1e6, 1e6, allow_nan=False)
    pairs = st.lists(st.tuples(st.integers(0, 99), finite), min_size=1, max_size=4, unique_by=lambda p: p[0])
    windows = st.tuples(st.integers(0, 9), st.integers(1, 9)).map(lambda w: (w[0], w[0] + w[1]))
    places = st.builds(
        Where,
        positions=st.sampled_from(["all", "prompt", "generated", "last", "first"]) | windows,
        skip=st.sets(st.sampled_from(["bos", "special"])).map(tuple),
    ) | st.builds(Where, token_ids=st.lists(st.integers(0, 99), min_size=1).map(tuple))
    scopes = st.sampled_from(["token", "sequence"])
    gates = (
        st.none()
        | st.builds(When, st.just("s"), st.just("layers.0"), st.integers(0, 9), finite, scopes)
        | st.builds(
            When,
            st.just("s"),
            st.just("layers.0"),
            latents=pairs,
            combine=st.sampled_from([None, "sum", "max"]),
            below=finite,
        )
        | st.builds(When, hookpoint=st.just("layers.0"), tensor=st.just("v"), scope=scopes)
    )
    found = []
    for op in draw(st.lists(st.sampled_from(list(OPERATIONS)), min_size=1, max_size=4)):
        needs = OPERATIONS[op].needs
        fields = {
            "direction": {"tensor": "v", "head": draw(st.none() | st.integers(0, 3))},
            "matrices": {"tensor": "m", "tensor_out": "n", "bias": draw(st.sampled_from([None, "c"]))},
            "latents": {"sae": "s", "latents": draw(pairs), "keep_error": draw(st.booleans())},
            "scores": {"sae": "s", "scores": "v", "mode": draw(st.sampled_from([None, "weight", "swap"]))},
            "sae": {"sae": "s"},
        }[needs]
        if op in ("project_out", "set_projection"):
            fields["bias"] = draw(st.sampled_from([None, "v"]))
        unit = draw(st.sampled_from([each for each in FIELDS[op].units if each != "latent_max"]))
        strength = Strength(draw(finite), unit)
        found.append(
            Intervention("layers.1", op, strength=strength, where=draw(places), when=draw(gates), **fields)
        )
    v = TensorRef.of(tiny.vector(draw(st.integers(0, 9))).abs())  # as scores are
    held = {"m": tiny.matrix(16, 3), "n": tiny.matrix(3, 16), "c": torch.zeros(3)}
    tensors = {"v": v} | {name: TensorRef.of(value) for name, value in held.items()}
    return SteeringSpec(tuple(found), tensors, {"s": SAERef("world/layers.3")})


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=specs(), ending=st.sampled_from(["yaml", "json"]))
def test_any_spec_survives_a_file(tmp_path, spec, ending):
    spec.save(tmp_path / f"a.{ending}")
    assert load_spec(tmp_path / f"a.{ending}") == spec


def test_plain_values_need_the_tensors_beside_them():
    values = json.loads(json.dumps(FULL.to_dict()))
    assert SteeringSpec.from_dict(values, tensors=FULL.tensor_values()) == FULL
    with pytest.raises(BadSpec, match=r"^tensors.v.file: is missing, and no tensor with this sha256"):
        SteeringSpec.from_dict(values)


def test_specs_are_values():
    same = SteeringSpec.from_dict(FULL.to_dict(), tensors=FULL.tensor_values())
    assert same == FULL and hash(same) == hash(FULL) and len({same, FULL}) == 1
    assert copy.deepcopy(FULL) == FULL and pickle.loads(pickle.dumps(FULL)) == FULL
    assert tiny.direction(seed=1) != tiny.direction(seed=2)


def test_a_spec_keeps_its_own_tensor():
    v = tiny.vector()
    ref = TensorRef.of(v)
    v.zero_()
    assert ref.value.any() and ref == TensorRef.of(tiny.vector())


def test_the_fingerprint_is_of_the_meaning(tmp_path):
    spec = tiny.direction()
    noted = SteeringSpec(spec.interventions, spec.tensors, provenance={"who": "me"})
    assert spec.save(tmp_path / "a.yaml").fingerprint() == spec.fingerprint() == noted.fingerprint()
    assert spec.with_strength(3.0).fingerprint() != spec.fingerprint()
    assert tiny.direction(seed=1).fingerprint() != spec.fingerprint()


def test_with_strength_changes_every_intervention():
    both = tiny.join(tiny.direction(), tiny.latents())
    assert [each.strength.value for each in both.with_strength(0.7).interventions] == [0.7, 0.7]
    assert FULL.interventions[0].with_strength(0.2).strength.resolved == pytest.approx(8.8)
    with pytest.raises(BadSpec, match=r"^interventions\[0\].strength.value: must be finite, got nan"):
        both.with_strength(float("nan"))
    with pytest.raises(BadSpec, match=r"^interventions\[1\].strength.unit: must be raw for op 'set_latents'"):
        both.with_strength(0.2, "residual_norm")


# Files that are not right


def test_a_changed_tensor_is_found(tmp_path):
    saved = FULL.save(tmp_path / "a.yaml")
    tensor = tmp_path / saved.tensors["v"].file
    data = bytearray(tensor.read_bytes())
    data[-1] ^= 1
    tensor.write_bytes(bytes(data))
    with pytest.raises(CorruptFile, match=r"has the hash .* but the spec says"):
        load_spec(tmp_path / "a.yaml")
    tensor.unlink()
    with pytest.raises(InputError, match=r"there is no file .*; a spec's tensors lie beside it"):
        load_spec(tmp_path / "a.yaml")


@pytest.mark.parametrize("fails", ["write_json", "write_text"])
def test_a_save_that_fails_leaves_no_tensors_behind(tmp_path, monkeypatch, fails):
    tiny.direction(seed=1).save(tmp_path / "older.yaml")
    before = sorted(tmp_path.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"saesteer.steering.files.{fails}", full)
    ending = "json" if fails == "write_json" else "yaml"
    for spec, name in ((FULL, "new"), (tiny.direction(seed=1), "older")):
        with pytest.raises(OSError, match="No space"):
            spec.save(tmp_path / f"{name}.{ending}")
    assert sorted(tmp_path.iterdir()) == before
    load_spec(tmp_path / "older.yaml")


def _with_tensor(tmp_path, **fields):
    FULL.save(tmp_path / "a.json")
    values = json.loads((tmp_path / "a.json").read_text())
    values["tensors"]["v"] = fields
    (tmp_path / "b.json").write_text(json.dumps(values))
    return tmp_path / "b.json"


@pytest.mark.parametrize("file", ["../outside.safetensors", "/etc/passwd", "inner/../../outside.safetensors"])
def test_tensors_lie_inside_the_folder(tmp_path, file):
    (tmp_path / "in").mkdir()
    (tmp_path / "outside.safetensors").write_bytes(b"secret")
    with pytest.raises(InputError, match="leads out of"):
        load_spec(_with_tensor(tmp_path / "in", file=file))


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "outside.safetensors").write_bytes(b"secret")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "outside.safetensors")
    with pytest.raises(InputError, match="leads out of"):
        load_spec(_with_tensor(tmp_path / "in", file="link"))


def test_a_tensor_without_a_hash_is_taken_as_it_is(tmp_path):
    file = FULL.save(tmp_path / "a.json").tensors["v"].file
    assert load_spec(_with_tensor(tmp_path, file=file)) == FULL


def test_a_file_that_is_no_tensor(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(CorruptFile, match="not a whole safetensors file"):
        load_spec(_with_tensor(tmp_path, file="bad.safetensors"))


def test_saving_over_a_spec_leaves_the_older_tensors_be(tmp_path):
    first = tiny.direction(seed=1).save(tmp_path / "a.yaml")
    old = (tmp_path / "a.yaml").read_text()
    tiny.direction(seed=2).save(tmp_path / "a.yaml")
    (tmp_path / "older.yaml").write_text(old)
    assert load_spec(tmp_path / "older.yaml") == first
    assert load_spec(tmp_path / "a.yaml") == tiny.direction(seed=2)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("interventions: [", InputError),
        ("", BadSpec),
        ("- a list", BadSpec),
        ("!!python/object/apply:os.system ['echo owned > owned']", InputError),
    ],
)
def test_files_that_are_no_spec(tmp_path, text, error, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(error):
        load_spec(tmp_path / "a.yaml")
    assert not (tmp_path / "owned").exists()


def test_other_endings_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(BadSpec, match=r"ends in one of \.yaml, .*, got 'a.txt'"):
        FULL.save(tmp_path / "a.txt")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="there is no file"):
        load_spec(tmp_path / "none.yaml")


# Fields that are not right

TENSOR_GATE = {"hookpoint": "layers.1", "tensor": "w"}
REWEIGHT = {"tensor": None, "op": "reweight_latents", "sae": "s", "scores": "w"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strength": {"value": float("nan")}}, r"strength.value: must be finite, got nan"),
        ({"strength": {"valu": 1.0}}, r"strength.valu: unknown key 'valu'; did you mean 'value'"),
        ({"strength": 0.4}, r"strength: must be a mapping, got 0.4"),
        ({"strenght": {"value": 1.0}}, r"strenght: unknown key 'strenght'; did you mean 'strength'"),
        ({"where": {"skip": ["boss"]}}, r"where.skip\[0\]: unknown value 'boss'; did you mean 'bos'"),
        ({"where": {"positions": [4, 2]}}, r"where.positions: must be \[a, b\] with a < b"),
        ({"when": {"sae": "s", "hookpoint": "layers.1"}}, r"when.latent: is missing"),
        ({"when": {"sae": "t", "hookpoint": "layers.1", "latent": 3}}, r"when.sae: unknown name 't'"),
        ({"when": {"hookpoint": "layers.1", "tensor": "t"}}, r"when.tensor: unknown name 't'"),
        ({"when": {"sae": "s", "latent": 3}}, r"when.hookpoint: is missing"),
        ({"when": {"hookpoint": "layers.1", "latent": 3}}, r"when.sae: is missing"),
        ({"when": {**TENSOR_GATE, "sae": "s"}}, r"when.sae: must be left out beside tensor"),
        ({"when": {**TENSOR_GATE, "latent": 3}}, r"when.tensor: stands beside latent; give one of"),
        ({"when": {**TENSOR_GATE, "combine": "max"}}, r"when.combine: is of latents; leave it out"),
        ({"when": {**TENSOR_GATE, "above": 1.0, "below": 1.0}}, r"when.below: must be more than above, 1, "),
        ({"when": {**TENSOR_GATE, "below": "1"}}, r"when.below: must be a number, got '1'"),
        (
            {"when": {"sae": "s", "hookpoint": "layers.1", "latents": [[3, 1.0]], "combine": "mean"}},
            r"when.combine: unknown value 'mean'",
        ),
        ({"op": "ad"}, r"op: unknown value 'ad'; did you mean 'add'"),
        ({"op": "turn"}, r"op: unknown value 'turn'; .*known: add, add_latents"),
        ({"op": "low_rank"}, r"tensor_out: is missing, and op 'low_rank' needs it"),
        ({"tensor_out": "w"}, r"tensor_out: must be left out, for op 'add' takes none, got 'w'"),
        ({"op": "rotate", "bias": "w"}, r"bias: must be left out, for op 'rotate' takes none, got 'w'"),
        ({"op": "project_out", "bias": 3.0}, r"bias: must be text, got 3.0"),
        ({"op": "project_out", "bias": "v"}, r"bias: unknown name 'v'; known: w"),
        ({"op": "rotate", "normalize": False}, r"normalize: must be true for op 'rotate'"),
        (
            {"op": "rotate", "strength": {"value": 1.0, "unit": "residual_norm"}},
            r"strength.unit: must be raw or kl or nats for op 'rotate', got 'residual_norm'",
        ),
        ({"tensor": "v"}, r"tensor: unknown name 'v'; known: w"),
        ({"tensor": None}, r"tensor: is missing, and op 'add' needs it"),
        ({"head": -1}, r"head: must be a whole number of 0 or more, got -1"),
        ({**REWEIGHT, "head": 3}, r"head: must be left out, for op 'reweight_latents' takes none, got 3"),
        ({"scores": [1.0]}, r"scores: must be left out, for op 'add' takes none, got \[1.0\]"),
        ({"mode": "swap"}, r"mode: must be left out, for op 'add' takes none, got 'swap'"),
        ({"sae": "s"}, r"sae: must be left out, for op 'add' takes none, got 's'"),
        ({"keep_error": False}, r"keep_error: must be left out, for op 'add'"),
        ({"only_active": True}, r"only_active: must be left out, for op 'add' takes none"),
        ({"only_active": "no"}, r"only_active: must be left out, for op 'add' takes none, got 'no'"),
        ({"normalize": "yes"}, r"normalize: must be true or false, got 'yes'"),
        ({"op": "project_out", "normalize": False}, r"normalize: must be true for op 'project_out'"),
        ({"hookpoint": ""}, r"hookpoint: must be text, got ''"),
        ({"hookpoint": 3}, r"hookpoint: must be text, got 3"),
        (
            {"tensor": None, "op": "splice", "sae": "s", "keep_error": True},
            r"keep_error: must be false for op 'spl",
        ),
        ({"tensor": None, "op": "splice"}, r"sae: is missing, and op 'splice' needs it"),
        (
            {"tensor": None, "op": "set_latents", "sae": "s"},
            r"latents: is missing, and op 'set_latents' needs it",
        ),
        (
            {"tensor": None, "op": "set_latents", "sae": "s", "latents": [[3, 1.0], [3, 2.0]]},
            r"latents: must name different latents",
        ),
        (
            {"tensor": None, "op": "set_latents", "sae": "s", "latents": [[3]]},
            r"latents\[0\]: must be \[latent, num",
        ),
        (
            {"tensor": None, "op": "set_latents", "sae": "s", "latents": [[3, float("inf")]]},
            r"latents\[0\]\[1\]: must be finite, got inf",
        ),
        (
            {"tensor": None, "op": "scale_latents", "sae": "s", "latents": [[3, 2.0]], "unit": "latent_max"},
            r"unit: must be raw for op 'scale_latents'",
        ),
        (
            {"tensor": None, "op": "set_latents", "sae": "s", "latents": [[3, 2.0]], "only_active": 1},
            r"only_active: must be true or false, got 1",
        ),
        ({"tensor": None, "op": "reweight_latents", "sae": "s"}, r"scores: is missing, and op 'reweight_lat"),
        ({**REWEIGHT, "scores": 3}, r"scores: must be text, got 3"),
        ({**REWEIGHT, "scores": "x"}, r"scores: unknown name 'x'; known: w"),
        ({**REWEIGHT, "scores": "w"}, r"scores: must be a tensor of numbers of 0 or more, got 'w'"),
        ({**REWEIGHT, "mode": "swop"}, r"mode: unknown value 'swop'; did you mean 'swap'"),
        ({**REWEIGHT, "only_active": True}, r"only_active: must be left out, for op 'reweight_latents'"),
        ({**REWEIGHT, "strength": {"value": 1.0, "unit": "kl"}}, r"strength.unit: must be raw for op 'rew"),
        (
            {"tensor": None, "op": "set_latents", "sae": "x", "latents": [[3, 1.0]]},
            r"sae: unknown name 'x'; known: s",
        ),
    ],
)
def test_errors_name_the_field(changes, message):
    SteeringSpec.from_dict(record())
    with pytest.raises(BadSpec, match=rf"^interventions\[0\].{message}"):
        SteeringSpec.from_dict(record(**changes))


def test_reserved_fields_may_stand_there_empty():
    reserved = dict.fromkeys(("head", "bias", "scores", "mode"))
    assert SteeringSpec.from_dict(record(**reserved)) == SteeringSpec.from_dict(record())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version: must be 1, got 2"),
        ({"version": True}, "version: must be 1, got True"),
        (
            {"model": {"fingerprnt": "x"}},
            "model.fingerprnt: unknown key 'fingerprnt'; did you mean 'fingerprint'",
        ),
        ({"model": {"id": 3}}, "model.id: must be text, got 3"),
        ({"saes": {"s": {"sourc": "x"}}}, "saes.s.sourc: unknown key 'sourc'; did you mean 'source'"),
        ({"saes": {"../s": {}}}, "saes.../s: must be a name of letters"),
        ({"saes": {}}, "tensors.w.sae: unknown name 's'"),
        ({"tensors": {"w": {"sae": "s"}}}, "tensors.w.latents: sae and latents go together"),
        ({"tensors": {"w": {}}}, "tensors.w.file: is missing"),
        ({"tensors": {"w": {"file": "a.safetensors"}}}, "tensors.w.file: .* lies beside a spec on disk"),
        ({"tensors": {"a/b": {"sae": "s", "latents": [[3, 1]]}}}, "tensors.a/b: must be a name of letters"),
        ({"tensors": [1]}, r"tensors: must be a mapping, got \[1\]"),
        ({"interventions": []}, "interventions: must hold at least one"),
        ({"interventions": {"op": "add"}}, "interventions: must be a list"),
        ({"interventions": ["add"]}, r"interventions\[0\]: must be a mapping, got 'add'"),
        ({"provenance": {"x": float("nan")}}, "provenance: JSON holds no nan"),
        ({"intervention": []}, "intervention: unknown key 'intervention'; did you mean 'interventions'"),
    ],
)
def test_errors_of_the_whole_name_the_field_too(changes, message):
    with pytest.raises(BadSpec, match=f"^{message}"):
        SteeringSpec.from_dict({**record(), **changes})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.empty(0), r"value: must hold 1 to 67108864 numbers, got \[0\]"),
        (torch.zeros(1).expand(2**13 + 1, 2**13), r"value: must hold 1 to .*, got \[8193, 8192\]; lower"),
        (torch.ones(2, 2, 2), r"value: must be a vector or matrix of floats, got torch.float32 \[2, 2, 2\]"),
        (torch.tensor([1.0, float("nan")]), "value: must be finite"),
        (torch.ones(3, dtype=torch.long), "value: must be a vector or matrix of floats"),
        ([1.0], "value: must be a vector or matrix of floats, got list"),
    ],
)
def test_bad_tensors(value, message):
    with pytest.raises(BadSpec, match=f"^{message}"):
        TensorRef.of(value)


def test_parts_of_another_kind_are_refused():
    with pytest.raises(BadSpec, match=r"^strength: must be a Strength, got 0.4"):
        Intervention("layers.1", "add", tensor="v", strength=0.4)
    with pytest.raises(BadSpec, match=r"^where: must be a Where, got 'all'"):
        Intervention("layers.1", "add", tensor="v", where="all")


def test_scores_are_not_below_0():
    each = Intervention("layers.1", "reweight_latents", sae="s", scores="v")
    with pytest.raises(
        BadSpec, match=r"^interventions\[0\].scores: must be a tensor of numbers of 0 or more"
    ):
        SteeringSpec((each,), {"v": TensorRef.of(torch.tensor([1.0, -0.1]))}, {"s": SAERef()})


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        ("add", {"tensor": (4, 2)}, r"tensor: must be a vector \[d\] for op 'add', got \[4, 2\]"),
        (
            "set_projection",
            {"tensor": (4,), "bias": (3,)},
            r"bias: is \[3\] \[d\], but tensor says that d is 4",
        ),
        (
            "low_rank",
            {"tensor": (4, 2), "tensor_out": (3, 4)},
            r"tensor_out: is \[3, 4\] \[r, d\], .* r is 2",
        ),
        (
            "low_rank",
            {"tensor": (4, 2), "tensor_out": (2, 5)},
            r"tensor_out: is \[2, 5\] \[r, d\], .* d is 4",
        ),
        (
            "low_rank",
            {"tensor": (4,), "tensor_out": (2, 4)},
            r"tensor: must be a matrix \[d, r\] for op 'low_",
        ),
        (
            "low_rank",
            {"tensor": (4, 2), "tensor_out": (2, 4), "bias": (4,)},
            r"bias: is \[4\] \[r\], but .* 2",
        ),
    ],
)
def test_tensors_that_do_not_go_together(op, shapes, message):
    tensors = {name: TensorRef.of(torch.ones(shape)) for name, shape in shapes.items()}
    with pytest.raises(BadSpec, match=rf"^interventions\[0\].{message}"):
        SteeringSpec((Intervention("layers.1", op, **{name: name for name in shapes}),), tensors)


def test_a_direction_is_not_zero():
    zero = {"v": TensorRef.of(torch.zeros(4)), "w": TensorRef.of(torch.ones(4))}
    with pytest.raises(
        BadSpec, match=r"^interventions\[0\].tensor: must be a vector with a dir.*, got zeros"
    ):
        SteeringSpec((Intervention("layers.1", "add", tensor="v"),), zero)
    gate = When(hookpoint="layers.1", tensor="v")
    with pytest.raises(BadSpec, match=r"^interventions\[0\].when.tensor: must be a vector with a direction"):
        SteeringSpec((Intervention("layers.1", "add", tensor="w", when=gate),), zero)
    SteeringSpec((Intervention("layers.1", "project_out", tensor="w", bias="v"),), zero)


def test_a_matrix_survives_a_file(tmp_path):
    spec = tiny.low_rank()
    spec.save(tmp_path / "a.yaml")
    found = load_spec(tmp_path / "a.yaml")
    assert found == spec and torch.equal(found.tensors["b"].value, tiny.matrix(3, 16, 1))


def test_an_error_names_the_file(tmp_path):
    (tmp_path / "a.yaml").write_text("version: 1\ninterventions: [{hookpoint: layers.1, op: ad}]\n")
    with pytest.raises(BadSpec, match=r"a\.yaml: interventions\[0\]\.op"):
        load_spec(tmp_path / "a.yaml")
