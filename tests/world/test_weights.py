"""The weights that ship: their size, their format, and that they are about as good as the docs say.

The bounds here only guard against a worse build: a few standard errors below what these weights do. The
targets, and which of them are missed, stand in docs/figures.md.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from saesteer.latents import ActivationSource
from saesteer.model import Tokens, load_model
from saesteer.saes import load_sae
from saesteer.training import evaluate_sae, loss_recovered
from saesteer.world.assets import WEIGHTS
from saesteer.world.continuity import slips
from saesteer.world.reading import judge_text
from saesteer.world.story import tell
from saesteer.world.tokens import build_tokenizer, encode_sentences, vocabulary

HOOKPOINTS = ("layers.3", "layers.4.attn")
MB = 1e6


@pytest.fixture(scope="module")
def lm():
    return load_model("world")


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*")) / MB


def test_the_weights_are_small_and_plain():
    assert megabytes(WEIGHTS / "lm") <= 12
    assert sum(megabytes(WEIGHTS / at) for at in HOOKPOINTS) <= 10
    assert {path.suffix for path in WEIGHTS.rglob("*") if path.is_file()} <= {".json", ".safetensors"}
    config = json.loads((WEIGHTS / "lm/config.json").read_text())
    assert config["model_type"] == "llama" and "auto_map" not in config


def test_the_tokenizer_that_ships_is_the_one_of_the_lexicon(lm):
    built = build_tokenizer()
    assert lm.tokenizer.get_vocab() == built.get_vocab()
    assert len(vocabulary()) == lm.vocab_size
    text = tell(3).text
    assert lm.tokenizer(text)["input_ids"] == built(text)["input_ids"]


@pytest.mark.slow
def test_the_model_is_close_to_the_true_entropy(lm):
    nll = logp = tokens = 0.0
    for seed in range(70_000_000, 70_000_200):
        story = tell(seed)
        ids = torch.from_numpy(encode_sentences(story.sentences)[0])[None]
        nll += float(lm.nll(Tokens(ids, torch.ones_like(ids, dtype=torch.bool))).sum())
        logp += story.logp
        tokens += ids.shape[1] - 1
    gap = (nll + logp) / tokens
    assert 0 < gap <= 0.03


@pytest.mark.slow
def test_what_it_writes_is_well_formed_and_consistent(lm):
    rows = lm.generate([""], n=100, max_new_tokens=260, seed=5).rows
    verdicts = [judge_text(row.text.strip()) for row in rows]
    sentences = [v for verdict in verdicts for v in verdict.sentences]
    assert np.mean([v.well_formed for v in sentences]) >= 0.95
    kept = [
        not {"name", "pronoun"} & set(slips([v.reading for v in verdict.sentences])) for verdict in verdicts
    ]
    assert np.mean(kept) >= 0.87


@pytest.mark.slow
@pytest.mark.parametrize("at", HOOKPOINTS)
def test_the_saes_reconstruct(lm, at):
    sae = load_sae(f"world/{at}")
    texts = [tell(seed).text for seed in range(71_000_000, 71_000_150)]
    quality = evaluate_sae(sae, ActivationSource(lm, texts, at, batch_tokens=1024))
    assert quality.l0 <= 32
    assert quality.fvu <= 0.02
    assert loss_recovered(lm, sae, lm.tokenize(texts[:50]), at).over_zero >= 0.99
    assert sae.cfg.metadata["model_fingerprint"] == lm.fingerprint()
