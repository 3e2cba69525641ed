"""Numbers and names at the ends of what can be computed or stored: meant as they stand, or refused."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from saesteer.errors import BadSpec, InputError
from saesteer.steering import Intervention, SAERef, SteeringSpec, Strength, TensorRef, Where, load_spec, steer
from saesteer.steering.directions import Vectors
from saesteer.steering.operations import project_out, unit
from tests.steering import tiny


@pytest.mark.parametrize("length", [1e-44, 1e-30, 1e25, 3e38])
def test_a_direction_has_length_1_however_long_its_vector(length):
    """Its square is 0 or infinite in float32: the sum of squares says nothing of the direction."""
    v = torch.zeros(4)
    v[1] = length
    torch.testing.assert_close(unit(v), torch.tensor([0.0, 1.0, 0.0, 0.0]))
    x = torch.randn(2, 3, 4)
    assert bool((project_out(x, v)[..., 1] == 0).all())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Strength(1e300),
        lambda: Strength(0.2, "kl", resolved=-1e39),
        lambda: Intervention("layers.1", "set_latents", sae="s", latents=((1, 1e39),)),
        lambda: TensorRef.of(torch.full((4,), 1e300, dtype=torch.float64)),
    ],
)
def test_what_is_beyond_float32_is_refused(make):
    """In float32, in which steering computes, it would be infinite, and the model's numbers NaN."""
    with pytest.raises(BadSpec, match="float32"):
        make()


@pytest.mark.parametrize("op", ["project_out", "set_projection"])
def test_a_strength_that_its_unit_carries_beyond_float32(lm, op):
    strength = Strength(1e30, "residual_norm", measured_on={"unit_value": 1e30})
    spec = SteeringSpec(
        (Intervention("layers.1", op, tensor="v", strength=strength),), {"v": TensorRef.of(tiny.vector())}
    )
    with pytest.raises(BadSpec, match=r"interventions\[0\]\.strength\.value: .* float32"), steer(lm, spec):
        pass


def test_a_latent_beyond_the_sae_is_named_where_no_model_is(sae):
    ref = TensorRef(sae="s", latents=((9999, 1.0),))
    spec = SteeringSpec((Intervention("layers.1", "add", tensor="w"),), {"w": ref}, {"s": SAERef()})
    with pytest.raises(BadSpec, match=r"tensors\.w\.latents: .* 9999"):
        Vectors(spec, {"s": sae}).tensor("w")


@pytest.mark.parametrize("fields", [{"positions": (0, 2**63)}, {"token_ids": (2**63,)}])
def test_places_that_no_integer_of_a_tensor_holds(fields):
    with pytest.raises(BadSpec, match=r"must be a whole number below 2\^63"):
        Where(**fields)
    Where(positions=(0, 2**63 - 1))


def test_a_dtype_that_cannot_be_computed_with(tmp_path):
    save_file({"tensor": torch.ones(16).to(torch.float8_e4m3fn)}, tmp_path / "v.safetensors")
    (tmp_path / "a.yaml").write_text(
        "version: 1\ntensors: {v: {file: v.safetensors}}\n"
        "interventions: [{hookpoint: layers.1, op: add, tensor: v}]\n"
    )
    with pytest.raises(BadSpec, match=r"tensors\.v\.value: .* got torch\.float8"):
        load_spec(tmp_path / "a.yaml")


def test_a_calibrated_unit_has_no_factor():
    """Twice a KL is not twice the vector, whatever a file says that 1 of it is."""
    strength = Strength(0.2, "kl", measured_on={"unit_value": 3.0})
    assert strength.plain is None and strength.factor is None


@pytest.mark.parametrize("as_json", [False, True])
def test_a_record_that_takes_minutes_to_read_is_refused(tmp_path, monkeypatch, as_json):
    from saesteer.steering import files

    spec = tiny.direction()
    path = tmp_path / ("a.json" if as_json else "a.yaml")
    spec.save(path)
    monkeypatch.setattr(files, "LARGEST_RECORD", {"yaml": 100, "json": 100})
    with pytest.raises(InputError, match=r"has \d+ bytes, too many for a spec"):
        load_spec(path)
    before = path.read_bytes()
    if not as_json:  # whose record is far from large: the tensors lie beside it
        with pytest.raises(BadSpec, match=r"too many to read again; save it as .json"):
            spec.with_strength(3.0).save(path)
    assert path.read_bytes() == before
