"""Similar latents, against dense arithmetic."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from saesteer.cache import cache_of_matrix
from saesteer.errors import CorruptFile, InputError, UnknownName
from saesteer.examples import SIMILARITIES, Neighbours, cooccurrence, directions, neighbours, store_neighbours
from saesteer.examples.cooccurrence import nearest_by_cooccurrence, strongest
from saesteer.saes import ARCHITECTURES, SAEConfig

NAME, D_SAE, TOKENS = "layers.0", 12, 90


def cached(seed=0, density=0.2, d_sae=D_SAE):
    draw = np.random.default_rng(seed)
    matrix = np.where(draw.random((TOKENS, d_sae)) < density, 1 + draw.random((TOKENS, d_sae)), 0)
    matrix[:, 3] = 0
    return cache_of_matrix(matrix, np.zeros(TOKENS, int), np.array([0, 40, TOKENS]), (" a",)), matrix > 0


def weights(d_sae=D_SAE, seed=0):
    draw = torch.Generator().manual_seed(seed)
    sizes = {"W_enc": (5, d_sae), "W_dec": (d_sae, 5), "b_enc": (d_sae,), "b_dec": (5,)}
    tensors = {name: torch.randn(size, generator=draw) for name, size in sizes.items()}
    return ARCHITECTURES.get("standard")(SAEConfig("standard", 5, d_sae), tensors)


def by_hand(scores, kept, k, floor):
    """Of a dense matrix [d_sae, d_sae] of similarities."""
    found = []
    for latent in range(len(scores)):
        others = [each for each in kept if each != latent and scores[latent, each] > floor]
        order = sorted(others, key=lambda each: (-scores[latent, each], each))
        found.append(order[:k] if latent in kept else [])
    return found


def told(found):
    return [[each.latent for each in found.of(latent)] for latent in range(len(found.latents))]


@given(st.integers(0, 20), st.sampled_from([0.02, 0.2, 0.9]), st.sampled_from([1, 2, 7]))
def test_jaccard_is_that_of_dense_counts(seed, density, stride):
    made, active = cached(seed, density)
    seen = active[::stride].astype(int)
    both = seen.T @ seen
    alone = np.diag(both)
    scores = both / np.maximum(1, alone[:, None] + alone[None] - both)
    found = Neighbours(*nearest_by_cooccurrence(made[NAME], 4, stride))
    assert told(found) == by_hand(scores.astype(np.float32), range(D_SAE), 4, 0)
    for latent in range(D_SAE):
        for other, similarity in found.of(latent):
            assert similarity == pytest.approx(scores[latent, other])


@pytest.mark.parametrize("how", ["decoder", "encoder"])
def test_cosines_are_those_of_the_weights_among_latents_with_entries(how):
    made, _ = cached()
    sae = weights()
    rows = (sae.W_dec if how == "decoder" else sae.W_enc.T).detach()
    unit = rows / rows.norm(dim=1, keepdim=True)
    scores = (unit @ unit.T).numpy()
    found = neighbours(made, NAME, how, 4, sae)
    assert told(found) == by_hand(scores, [each for each in range(D_SAE) if each != 3], 4, -2)
    assert found.of(0)[0].similarity == pytest.approx(scores[0, found.of(0)[0].latent], abs=1e-6)


@pytest.mark.parametrize("how", SIMILARITIES.names())
def test_blocks_change_nothing(monkeypatch, how):
    made, _ = cached()
    whole = neighbours(made, NAME, how, 4, weights())
    monkeypatch.setattr(cooccurrence, "_PRODUCTS", 30)
    monkeypatch.setattr(directions, "_COSINES", 30)
    parts = neighbours(made, NAME, how, 4, weights())
    assert told(parts) == told(whole)
    np.testing.assert_allclose(parts.similarities, whole.similarities, atol=1e-6)


def test_a_large_cache_is_counted_at_every_so_many_tokens(monkeypatch):
    made, _ = cached()
    whole = neighbours(made, NAME, k=4).similarities
    monkeypatch.setattr(cooccurrence, "_ENTRIES", (int(made[NAME].indptr[-1]) + 2) // 3)
    some = neighbours(made, NAME, k=4).similarities
    assert (some == nearest_by_cooccurrence(made[NAME], 4, 3)[1]).all() and (some != whole).any()


def test_ties_go_to_the_lower_latent():
    assert strongest(np.array([1.0, 2.0, 1.0, 1.0]), np.array([7, 5, 3, 4]), 3).tolist() == [1, 2, 3]


def test_more_neighbours_than_there_are():
    made, _ = cached(d_sae=4)
    found = neighbours(made, NAME, "decoder", 9, weights(4))
    assert found.latents.shape == (4, 9) and sorted(told(found)[0]) == [1, 2] and not told(found)[3]


def test_what_was_saved_is_read_again(tmp_path):
    made, _ = cached()
    found = neighbours(made, NAME)
    found.save(tmp_path / "a")
    again = Neighbours.load(tmp_path / "a")
    assert told(again) == told(found) and again.about == found.about
    stage = store_neighbours(tmp_path, made, NAME)
    assert told(Neighbours.load(stage)) == told(found)
    assert store_neighbours(tmp_path, made, NAME) == stage != store_neighbours(tmp_path, made, NAME, k=3)
    assert store_neighbours(tmp_path, cached(1)[0], NAME) != stage


def test_files_that_hold_no_neighbours_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        Neighbours.load(tmp_path)
    (tmp_path / "neighbours.safetensors").write_bytes(b"nothing")
    with pytest.raises(CorruptFile, match=r"neighbours\.safetensors"):
        Neighbours.load(tmp_path)
    bad = np.array([[5]], np.int32)
    Neighbours(bad, bad.astype(np.float32), {}).save(tmp_path)
    with pytest.raises(CorruptFile, match=r"neighbours\.safetensors"):
        Neighbours.load(tmp_path)


def test_what_cannot_be_had_is_refused():
    made, _ = cached()
    with pytest.raises(InputError, match="give the SAE"):
        neighbours(made, NAME, "decoder")
    with pytest.raises(InputError, match="load the SAE that was cached"):
        neighbours(made, NAME, "decoder", sae=weights(5))
    with pytest.raises(UnknownName, match="did you mean 'jaccard'"):
        neighbours(made, NAME, "jacard")
    with pytest.raises(InputError, match="1 or more"):
        neighbours(made, NAME, k=0)
    with pytest.raises(InputError, match="latents are 0 to"):
        neighbours(made, NAME).of(D_SAE)
