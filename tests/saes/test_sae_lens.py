"""Our folders in sae_lens' own loader and theirs in ours; runs where sae_lens is installed."""

from __future__ import annotations

import warnings

import pytest
import torch

from saesteer.saes import load_sae

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sae_lens = pytest.importorskip("sae_lens")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # theirs are not ours to mend
]
NORMS = ("none", "expected_average_only_in", "constant_norm_rescale", "layer_norm")
KINDS = ("standard", "topk", "jumprelu")
CASES = [(kind, norm, apply) for kind in KINDS for norm in NORMS for apply in (True, False)]
THEIRS = [(*case, False) for case in CASES] + [(*case, True) for case in CASES if case[0] == "topk"]


def _same(ours: torch.nn.Module, theirs: torch.nn.Module, x: torch.Tensor) -> None:
    z = theirs.encode(x)
    assert z.count_nonzero() > 0
    torch.testing.assert_close(ours.encode(x), z, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("kind", "norm", "apply_b_dec"), CASES)
def test_ours_read_by_theirs(make_sae, x, tmp_path, kind, norm, apply_b_dec):
    ours = make_sae(
        kind,
        normalize_activations=norm,
        apply_b_dec_to_input=apply_b_dec,
        hook_name="blocks.3.hook_resid_post",
        model_name="gpt2",
    )
    ours.save(tmp_path)
    theirs = sae_lens.SAE.load_from_disk(tmp_path)
    _same(ours, theirs, x)
    assert theirs.cfg.architecture() == kind
    assert theirs.cfg.metadata.hook_name == "blocks.3.hook_resid_post"
    assert theirs.cfg.metadata.model_name == "gpt2"


@pytest.mark.parametrize(("kind", "norm", "apply_b_dec", "rescale"), THEIRS)
def test_theirs_read_by_ours(x, tmp_path, kind, norm, apply_b_dec, rescale):
    fields = {"normalize_activations": norm, "apply_b_dec_to_input": apply_b_dec}
    if kind == "topk":
        fields |= {"k": 5, "rescale_acts_by_decoder_norm": rescale}
    theirs = sae_lens.SAE.from_dict({"architecture": kind, "d_in": 16, "d_sae": 64, **fields})
    draw = torch.Generator().manual_seed(0)
    for name, each in theirs.named_parameters():
        each.data = torch.randn(each.shape, generator=draw) * (0.5 if name == "threshold" else 1)
    theirs.cfg.metadata.hook_name = "blocks.1.hook_resid_pre"
    theirs.save_model(tmp_path)
    ours = load_sae(tmp_path)
    _same(ours, theirs, x)
    assert ours.cfg.hook_name == "blocks.1.hook_resid_pre"
    ours.save(tmp_path / "again")
    _same(load_sae(tmp_path / "again"), sae_lens.SAE.load_from_disk(tmp_path / "again"), x)
