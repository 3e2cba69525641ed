"""A search whose winner is known: one latent of the toy's SAE writes the sea, others do not."""

import re
from dataclasses import replace

import pytest
import torch

from saesteer.calibration import Found, search
from saesteer.calibration.candidates import candidates
from saesteer.errors import CorruptFile, InputError, SaesteerError, UnknownName
from saesteer.saes import SAEConfig, TopKSAE
from saesteer.steering import Intervention, SAERef, SteeringSpec, TensorRef, steer
from tests.methods.concepts import SEA as OTHER
from tests.methods.concepts import WordJudge
from tests.steering import tiny

from . import toy
from .toy import CONCEPT, PROMPTS, ToyJudge, exact

OPTIONS = {"prompts": PROMPTS, "max_new_tokens": 8, "coherence": 0.9, "test_n": 4, "keep": 0.5}
D_SAE = 6


@pytest.fixture(scope="module")
def lm():
    """Embeddings of the words apart, along axes that no unembedding reads, so that latents can tell texts."""
    lm = toy.model(toy.tokenizer())
    embeddings = lm.hf.model.embed_tokens.weight
    for place, word in enumerate(toy.WORDS, start=4):
        embeddings[place, 2 if word in toy.SEA else 3] = 0.5
    return lm


@pytest.fixture(scope="module")
def sae():
    """0 and 1 read the sea; 0 writes it and 1 nothing; 2 reads numbers and writes away from the sea."""
    encoder, decoder = torch.zeros(toy.WIDTH, D_SAE), torch.zeros(D_SAE, toy.WIDTH)
    encoder[2, 0], encoder[2, 1], encoder[3, 2] = 2.0, 1.0, 1.0
    decoder[0, 1], decoder[1, 0], decoder[2, 1], decoder[3, 5] = 1.0, 1.0, -1.0, 1.0
    decoder[4, 6], decoder[5, 7] = 1.0, 1.0
    tensors = {
        "W_enc": encoder,
        "W_dec": decoder,
        "b_enc": torch.zeros(D_SAE),
        "b_dec": torch.zeros(toy.WIDTH),
    }
    return TopKSAE(SAEConfig("topk", toy.WIDTH, D_SAE, hook_name="layers.0", k=3), tensors)


@pytest.fixture(scope="module")
def found(lm, sae) -> Found:
    return search(
        lm, CONCEPT, sae, ToyJudge(), count=24, levels=(0.05, 0.2, 0.5, 1.0), finalists=2, **OPTIONS
    )


def test_the_latent_that_writes_the_concept_wins(lm, found):
    assert found.summary["found"] and found.trials
    assert found.reason.endswith(("add +0", "add -2"))
    with steer(lm, found.spec):
        p = lm.logits(lm.tokenize(["one"]))[0, -1].softmax(-1)
    assert float(p[15:].sum()) > 0.55 and 1 - float(p[14]) > 0.87
    assert found.outcome.lift.low > 0.2 and found.outcome.figures.coherence.estimate > 0.85


def test_fewer_and_fewer_are_written_more_and_more(found):
    rounds = sorted({each.round for each in found.trials})
    sizes = [sum(each.round == number for each in found.trials) for number in rounds]
    samples = [{each.samples for each in found.trials if each.round == number} for number in rounds]
    assert len(rounds) >= 3 and sizes == sorted(sizes, reverse=True) and sizes[-1] == 2
    assert samples == [{6 * 2**number} for number in range(len(rounds))]
    for number, size in zip(rounds[1:], sizes[1:], strict=True):
        assert sum(each.round == number - 1 and each.kept for each in found.trials) == size
    assert not any(each.kept for each in found.trials if each.round == rounds[-1])


def test_figures_are_over_all_that_was_written(found):
    last = next(each for each in found.trials if each.round == max(t.round for t in found.trials))
    rows = [
        r for r in found.rows if (r.variant, r.strength, r.half) == (last.name, last.strength, "selection")
    ]
    assert len(rows) == last.samples and len({(r.prompt, r.sample) for r in rows}) == len(rows)
    assert last.behaviour == pytest.approx(sum(row.behaviour for row in rows) / len(rows))


def test_what_is_not_coherent_is_not_chosen(lm, sae):
    strict = search(
        lm,
        CONCEPT,
        sae,
        ToyJudge(),
        count=24,
        levels=(0.05, 0.2, 0.5, 1.2),
        finalists=2,
        **(OPTIONS | {"coherence": 0.99}),
    )
    loose = search(
        lm,
        CONCEPT,
        sae,
        ToyJudge(),
        count=24,
        levels=(0.05, 0.2, 0.5, 1.2),
        finalists=2,
        **(OPTIONS | {"coherence": 0.5}),
    )
    best = [max(abs(e.strength.value) for e in each.spec.interventions) for each in (strict, loose)]
    assert best[0] < best[1]
    rows = [r for r in strict.rows if r.half == "selection" and abs(r.strength) == best[0]]
    assert sum(r.coherence for r in rows) / len(rows) >= 0.99


def test_nothing_coherent_is_an_answer(lm, sae):
    class Never(ToyJudge):
        def one(self, said):
            return replace(super().one(said), coherence=0.1)

    none = search(lm, CONCEPT, sae, Never(), count=8, levels=(0.1, 0.5), finalists=2, **OPTIONS)
    assert none.spec is None and "none of 4 candidates keeps a coherence of 0.9" in none.reason
    assert none.outcome is None


def test_given_specs_compete(lm):
    turned = replace(toy.spec(), tensors={"v": TensorRef.of(-toy.spec().tensors["v"].value)})
    found = search(
        lm,
        CONCEPT,
        None,
        ToyJudge(),
        specs={"to": toy.spec(), "away": turned},
        levels=(0.1, 0.4),
        finalists=1,
        **OPTIONS,
    )
    assert found.reason.endswith("to") and exact(found.spec.interventions[0].strength.plain)[0] > 0.3
    assert {each.name for each in found.trials} == {"to", "away"}


def test_latents_are_set_as_well_as_added(lm, sae):
    found = search(
        lm,
        CONCEPT,
        sae,
        ToyJudge(),
        count=24,
        ops=("set_latents", "add"),
        levels=(0.2, 0.6),
        finalists=2,
        **OPTIONS,
    )
    assert {each.name.split()[0] for each in found.trials} == {"add", "set_latents"}


def test_equal_seeds_equal_results(lm, sae, found):
    again = search(
        lm, CONCEPT, sae, ToyJudge(), count=24, levels=(0.05, 0.2, 0.5, 1.0), finalists=2, **OPTIONS
    )
    assert again == found


def test_a_killed_search_goes_on(lm, sae, found, tmp_path):
    def killed(what, done, total):
        if what.startswith("round 2"):
            raise KeyboardInterrupt

    def run(judge, progress=None):
        return search(
            lm, CONCEPT, sae, judge, count=24, levels=(0.05, 0.2, 0.5, 1.0), finalists=2,
            folder=tmp_path, progress=progress, **OPTIONS,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        run(ToyJudge(), killed)
    judge = ToyJudge()
    resumed = run(judge)
    assert resumed == found and judge.judged < len(found.rows)


def test_saved_and_loaded_is_the_same(found, tmp_path):
    assert Found.load(found.save(tmp_path / "a")) == found
    assert len(found.to_pandas()) == len(found.trials) and "candidate" in found._repr_html_()
    spec = tmp_path / "a" / "spec.yaml"
    spec.write_text(spec.read_text().replace("search", "serch"))
    with pytest.raises(CorruptFile, match="was changed"):
        Found.load(tmp_path / "a")


def test_what_cannot_be_searched(lm, sae):
    with pytest.raises(InputError, match="there is nothing to try"):
        search(lm, CONCEPT, None, ToyJudge(), **OPTIONS)
    with pytest.raises(UnknownName, match="op of a search"):
        search(lm, CONCEPT, sae, ToyJudge(), ops=("ad",), **OPTIONS)
    with pytest.raises(InputError, match="keep=2"):
        search(lm, CONCEPT, sae, ToyJudge(), **(OPTIONS | {"keep": 2}))


def test_the_place_is_searched_too():
    """Openings by name, at the places, blocks and distances that the names say; and the judge's choice."""
    small = tiny.llama()
    common = {"openings": True, "test_n": 1, "max_new_tokens": 4, "coherence": 0.0, "finalists": 2}
    found = search(
        small,
        OTHER,
        None,
        WordJudge("sea"),
        count=72,
        prompts=["the", "a cat", "then a", "the old"],
        **common,
    )
    names = {each.name for each in found.trials}
    parts = [re.fullmatch(r"opening (diffmean|trained) (layers\.\d) 0:(\d+)", name) for name in names]
    assert all(parts) and {part[1] for part in parts} == {"diffmean", "trained"}
    assert {part[2] for part in parts} <= {"layers.0", "layers.1", "layers.2"} and len(names) > 6
    assert {each.kl for each in found.trials} <= {0.1, 0.25, 0.5, 1.0}
    (winner,) = [name for name in names if found.reason.endswith(name)]
    _, _, place, ends = winner.split()
    (each,) = found.spec.interventions
    assert each.hookpoint == place and each.where.positions == tuple(map(int, ends.split(":")))


def test_openings_stand_beside_latents_within_the_count(lm, sae):
    tried = candidates(lm, CONCEPT, sae, 40, levels=(0.05, 0.2), openings=True, at="layers.0")
    assert any(each.name.startswith("add") for each in tried) and len(tried) <= 40
    only = candidates(tiny.llama(), OTHER, None, 5, openings=True, at="layers.1")
    assert len(only) == 5 and all(each.spec.interventions[0].hookpoint == "layers.1" for each in only)


def test_a_save_that_fails_leaves_the_older_one_whole(found, tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise SaesteerError("the disk is full")

    found.save(tmp_path)
    monkeypatch.setattr("saesteer.calibration.found.write_json", full)
    with pytest.raises(SaesteerError, match="full"):
        replace(found, rows=found.rows[:-1]).save(tmp_path)
    assert Found.load(tmp_path) == found


def test_a_folder_without_one_of_its_files_is_no_search(found, tmp_path):
    found.save(tmp_path)
    (tmp_path / "rows.parquet").unlink()
    with pytest.raises(CorruptFile, match=r"rows\.parquet is not there; search again"):
        Found.load(tmp_path)


def test_a_given_spec_keeps_its_own_sae_though_both_are_called_s(lm, sae, tmp_path):
    """Its latent 1 writes the sea, and the search's writes nothing."""
    other = TopKSAE(sae.cfg, {name: each.clone() for name, each in sae.named_parameters()})
    with torch.no_grad():
        other.W_dec[[0, 1]] = other.W_dec[[1, 0]]
    other.save(tmp_path / "other")
    each = Intervention("layers.0", "add_latents", sae="s", latents=((1, 1.0),))
    given = SteeringSpec((each,), saes={"s": SAERef(str(tmp_path / "other"))})
    found = search(
        lm,
        CONCEPT,
        sae,
        ToyJudge(),
        specs={"given": given},
        count=8,
        levels=(0.2, 0.5),
        finalists=2,
        **OPTIONS,
    )
    tried = {trial.name for trial in found.trials if trial.behaviour > 0.2}
    assert "given" in tried
