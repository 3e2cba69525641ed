"""An SAE of another model is refused by width, and by the model's fingerprint where it is noted."""

from __future__ import annotations

import pytest

from saesteer.errors import InputError, ShapeMismatch
from saesteer.saes import check_fits


def test_check_fits(make_sae):
    sae = make_sae("topk", hook_name="layers.3", model_name="world", metadata={"model_fingerprint": "a" * 64})
    check_fits(sae, 16)
    check_fits(sae, 16, "some/path", "layers.3", fingerprint="a" * 64)
    with pytest.raises(ShapeMismatch, match=r"d_in is 16 .*layers\.3 of world.* layers\.5 of gpt2 gives 768"):
        check_fits(sae, 768, "gpt2", "layers.5")
    with pytest.raises(InputError, match="trained on the model aaaaaaaaaaaa but"):
        check_fits(sae, 16, fingerprint="b" * 64)
    check_fits(make_sae("topk"), 16, fingerprint="b" * 64)  # nothing noted, nothing to refuse
