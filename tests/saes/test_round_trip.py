"""Whatever can be an SAE comes back from its folder as it was."""

from __future__ import annotations

import tempfile

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saesteer.saes import ARCHITECTURES, SAEConfig, load_sae
from saesteer.saes.config import DTYPES, NORMALISATIONS, POSTACTS
from tests.saes.conftest import tensors

TEXT = st.text(max_size=12)
METADATA = st.dictionaries(
    st.text(min_size=1, max_size=6).filter(
        lambda key: key not in {"hook_name", "hook_name_out", "model_name"}
    ),
    TEXT | st.booleans() | st.integers(-(2**40), 2**40) | st.lists(TEXT, max_size=2),
    max_size=3,
)


@st.composite
def configs(draw: st.DrawFn) -> SAEConfig:
    kind = draw(st.sampled_from(ARCHITECTURES.names()))
    d_in, d_sae = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    fields = {
        "hook_name": draw(TEXT),
        "model_name": draw(TEXT),
        "normalize_activations": draw(st.sampled_from(NORMALISATIONS)),
        "dtype": draw(st.sampled_from(sorted(DTYPES))),
        "metadata": draw(METADATA),
        "reshape_activations": draw(st.sampled_from(("none", "hook_z"))),
        "apply_b_dec_to_input": draw(st.booleans()),
    }
    if "topk" in kind:
        fields |= {"k": draw(st.integers(1, d_sae)), "postact": draw(st.sampled_from(POSTACTS))}
    if kind.endswith("transcoder"):
        fields |= {
            "d_out": draw(st.integers(1, 5)),
            "hook_name_out": draw(TEXT),
            "apply_b_dec_to_input": False,
        }
    return SAEConfig(kind, d_in, d_sae, **fields)


@settings(deadline=None, max_examples=80)
@given(cfg=configs(), seed=st.integers(0, 5))
def test_there_and_back(cfg, seed):
    kind = ARCHITECTURES.get(cfg.architecture)
    sae = kind(cfg, tensors(kind.shapes_of(cfg), seed))
    with tempfile.TemporaryDirectory() as folder:
        sae.save(folder)
        again = load_sae(folder)
        assert again.cfg.to_dict() == cfg.to_dict()
        assert again.fingerprint() == sae.fingerprint()
        x = torch.randn(3, cfg.d_in, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(again(x), sae(x))
