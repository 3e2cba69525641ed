"""An SAE of another model is refused by width, and by the model's fingerprint where it is noted."""

from __future__ import annotations

import pytest

from saesteer.errors import InputError, MissingHookpoint, ShapeMismatch
from saesteer.saes import TRANSCODERS, check_fits


def test_check_fits(make_sae):
    sae = make_sae("topk", hook_name="layers.3", model_name="world", metadata={"model_fingerprint": "a" * 64})
    check_fits(sae, 16)
    check_fits(sae, 16, "some/path", "layers.3", fingerprint="a" * 64)
    with pytest.raises(ShapeMismatch, match=r"d_in is 16 .*layers\.3 of world.* layers\.5 of gpt2 gives 768"):
        check_fits(sae, 768, "gpt2", "layers.5")
    with pytest.raises(InputError, match="trained on the model aaaaaaaaaaaa but"):
        check_fits(sae, 16, fingerprint="b" * 64)
    check_fits(make_sae("topk"), 16, fingerprint="b" * 64)  # nothing noted, nothing to refuse


def canonical(address):
    """As a model with TransformerLens names, and only three layers, would spell it."""
    name = {"blocks.1.hook_resid_post": "layers.1"}.get(address, address)
    if name not in {"layers.0.in", "layers.0", "layers.1.in", "layers.1", "layers.1.mlp"}:
        raise MissingHookpoint(address)
    return name


@pytest.mark.parametrize("home", ["layers.1", "blocks.1.hook_resid_post"])
def test_an_sae_of_another_hookpoint_is_refused(make_sae, home):
    sae = make_sae("topk", hook_name=home)
    check_fits(sae, 16, hookpoint="layers.1", canonical=canonical)
    check_fits(sae, 16, hookpoint="layers.2.in", canonical=canonical)  # the same residual
    for at in ("layers.0", "layers.1.in", "layers.1.mlp"):
        with pytest.raises(InputError, match=f"trained at layers.1 but is used at {at}, .*load the SAE of"):
            check_fits(sae, 16, hookpoint=at, canonical=canonical)
        check_fits(sae, 16, hookpoint=at)  # nobody to say what the name means


@pytest.mark.parametrize("home", ["", "layers.9", "model.h.1"])
def test_a_name_that_the_model_does_not_have_decides_nothing(make_sae, home):
    check_fits(make_sae("topk", hook_name=home), 16, hookpoint="layers.0", canonical=canonical)


@pytest.mark.parametrize("kind", TRANSCODERS)
def test_a_transcoder_reads_at_one_hookpoint_and_writes_at_another(make_sae, kind):
    sae = make_sae(kind, hook_name="layers.0", hook_name_out="layers.1.mlp")
    check_fits(sae, 16, hookpoint="layers.0", canonical=canonical, use="read")
    check_fits(sae, 12, hookpoint="layers.1.mlp", canonical=canonical, use="write")
    with pytest.raises(InputError, match=rf"a {kind}: it reads layers\.0 and says what layers\.1\.mlp is"):
        check_fits(sae, 16, hookpoint="layers.0", canonical=canonical)
    with pytest.raises(ShapeMismatch, match="d_out is 12"):
        check_fits(sae, 16, hookpoint="layers.0", use="write")
    with pytest.raises(InputError, match=r"trained at layers\.1\.mlp but is used at layers\.0"):
        check_fits(sae, 12, hookpoint="layers.0", canonical=canonical, use="write")
    with pytest.raises(InputError, match=r"trained at layers\.0 but is used at layers\.1\.mlp"):
        check_fits(sae, 16, hookpoint="layers.1.mlp", canonical=canonical, use="read")
