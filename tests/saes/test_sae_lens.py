"""Our folders in sae_lens' own loader and theirs in ours; runs where sae_lens is installed."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from saesteer.saes import TRANSCODERS, load_sae

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sae_lens = pytest.importorskip("sae_lens")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # theirs are not ours to mend
]
NORMS = ("none", "expected_average_only_in", "constant_norm_rescale", "layer_norm")
KINDS = ("standard", "gated", "topk", "jumprelu")
THEIR_TRANSCODERS = [kind for kind in TRANSCODERS if not kind.startswith("topk")]
CASES = [(kind, norm, apply) for kind in KINDS for norm in NORMS for apply in (True, False)]
CASES += [(kind, norm, False) for kind in THEIR_TRANSCODERS for norm in ("none", "layer_norm")]
THEIRS = [(*case, False) for case in CASES] + [(*case, True) for case in CASES if case[0] == "topk"]


def _same(ours: torch.nn.Module, theirs: torch.nn.Module, x: torch.Tensor) -> None:
    z = theirs.encode(x)
    assert z.count_nonzero() > 0
    torch.testing.assert_close(ours.encode(x), z, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-3)


def _filled(theirs: torch.nn.Module) -> torch.nn.Module:
    """With weights that are no special case."""
    draw = torch.Generator().manual_seed(0)
    for name, each in theirs.named_parameters():
        each.data = torch.randn(each.shape, generator=draw) * (0.5 if name in {"threshold", "r_mag"} else 1)
    return theirs


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
    if kind in TRANSCODERS:
        fields |= {"d_out": 12}
    theirs = _filled(sae_lens.SAE.from_dict({"architecture": kind, "d_in": 16, "d_sae": 64, **fields}))
    theirs.cfg.metadata.hook_name = "blocks.1.hook_resid_pre"
    theirs.save_model(tmp_path)
    ours = load_sae(tmp_path)
    _same(ours, theirs, x)
    assert ours.cfg.hook_name == "blocks.1.hook_resid_pre"
    ours.save(tmp_path / "again")
    _same(load_sae(tmp_path / "again"), sae_lens.SAE.load_from_disk(tmp_path / "again"), x)


@pytest.mark.parametrize("kind", ["topk_transcoder", "topk_skip_transcoder"])
def test_what_they_would_misread_they_refuse(make_sae, tmp_path, kind):
    for sae in (make_sae(kind), make_sae("topk", postact="tanh")):
        sae.save(tmp_path)
        with pytest.raises(Exception, match="topk_"):  # unknown to it
            sae_lens.SAE.load_from_disk(tmp_path)


# What training leaves behind.


def _training(kind: str, norm: str, apply_b_dec: bool, rescale: bool | None) -> torch.nn.Module:
    fields = {"d_in": 16, "d_sae": 64, "normalize_activations": norm, "apply_b_dec_to_input": apply_b_dec}
    if "topk" in kind:
        fields |= {"k": 5, "rescale_acts_by_decoder_norm": rescale}
    if kind == "matryoshka_batchtopk":
        fields["matryoshka_widths"] = [16, 64]
    theirs = _filled(sae_lens.TrainingSAE.from_dict({"architecture": kind, **fields}))
    if hasattr(theirs, "topk_threshold"):
        theirs.topk_threshold.fill_(2.0)
    return theirs


TRAINED = [
    (kind, apply_b_dec, rescale)
    for kind in ("batchtopk", "matryoshka_batchtopk", "topk", "gated", "standard", "jumprelu")
    for apply_b_dec in (True, False)
    for rescale in ((True, False) if "topk" in kind else (None,))
    if kind != "jumprelu" or apply_b_dec
]


def _inference(theirs: torch.nn.Module, folder: Path) -> torch.nn.Module:
    theirs.save_inference_model(folder)
    return sae_lens.SAE.load_from_disk(folder)


@pytest.mark.parametrize(("kind", "apply_b_dec", "rescale"), TRAINED[:8])
@pytest.mark.parametrize("how", ["none", "expected_average_only_in", "covariance_whitening"])
def test_a_checkpoint_of_training_is_what_they_save_in_the_end(x, tmp_path, kind, apply_b_dec, rescale, how):
    from sae_lens.training.activation_scaler import ActivationScaler, ActivationWhitening

    theirs = _training(kind, how, apply_b_dec, rescale)
    theirs.save_model(tmp_path / "checkpoint")
    draw = torch.Generator().manual_seed(3)
    scaler = ActivationScaler()
    if how == "expected_average_only_in":
        scaler.scaling_factor = 0.37
        theirs.fold_activation_norm_scaling_factor(0.37)
    if how == "covariance_whitening":
        if rescale:
            return  # their threshold is for norms that the folded weights do not have; see test_whitening
        matrix = torch.eye(16) + 0.2 * torch.randn(16, 16, generator=draw)
        mean = torch.randn(16, generator=draw)
        scaler.whitening = ActivationWhitening(mean=mean, matrix=matrix, inverse_matrix=matrix.inverse())
        theirs.fold_activation_whitening(mean, matrix, matrix.inverse())
    scaler.save(str(tmp_path / "checkpoint" / "activation_scaler.json"))
    _same(load_sae(tmp_path / "checkpoint"), _inference(theirs, tmp_path / "final"), x)
    _same(load_sae(tmp_path / "final"), sae_lens.SAE.load_from_disk(tmp_path / "final"), x)


@pytest.mark.parametrize(("kind", "apply_b_dec", "rescale"), TRAINED[8:])
def test_what_other_training_saves(x, tmp_path, kind, apply_b_dec, rescale):
    theirs = _inference(_training(kind, "none", apply_b_dec, rescale), tmp_path)
    _same(load_sae(tmp_path), theirs, x)


@pytest.mark.parametrize("apply_b_dec", [True, False])
@pytest.mark.parametrize("kind", ["standard", "gated", "jumprelu"])
def test_whitening_of_other_architectures(x, tmp_path, kind, apply_b_dec):
    from sae_lens.training.activation_scaler import ActivationScaler, ActivationWhitening

    theirs = sae_lens.SAE.from_dict({"architecture": kind, "d_in": 16, "d_sae": 64})
    theirs.cfg.normalize_activations = "covariance_whitening"
    theirs.cfg.apply_b_dec_to_input = apply_b_dec
    _filled(theirs).save_model(tmp_path)
    matrix, mean = torch.eye(16) + 0.1 * torch.ones(16, 16).triu(), torch.linspace(-1, 1, 16)
    scaler = ActivationScaler()
    scaler.whitening = ActivationWhitening(mean=mean, matrix=matrix, inverse_matrix=matrix.inverse())
    scaler.save(str(tmp_path / "activation_scaler.json"))
    theirs.fold_activation_whitening(mean, matrix, matrix.inverse())
    _same(load_sae(tmp_path), theirs, x)
