"""What lm_eval's steered model gets wrong, one test for each: none of it is so here."""

import os
import pickle

import pytest
import torch

from saesteer.errors import BadSpec, MissingHookpoint, SaesteerError
from saesteer.harness import Asked
from saesteer.model import Tokens
from saesteer.steering import Intervention, SteeringSpec, Strength, TensorRef, Where, steer
from tests.harness.asking import everything, scoring, writing
from tests.steering import tiny

STEERED = "loader,action,sparse_model,hookpoint,feature_index,steering_coefficient,head_index\n"
BETA = "latent_idx, steering_coefficient, sae_release, sae_id, description\n"


@pytest.fixture(scope="module")
def sae(tmp_path_factory):
    found = tmp_path_factory.mktemp("saes") / "s"
    tiny.sae(hook_name="blocks.1.hook_resid_post").save(found)  # as sae_lens names it
    return found


@pytest.fixture
def table(tmp_path):
    def write(head, *rows):
        (tmp_path / "rows.csv").write_text(head + "".join(f"{row}\n" for row in rows))
        return Asked(tmp_path / "rows.csv")

    return write


def added(*pairs, at="layers.1"):
    """x + coefficient times the decoder row, for each."""
    tensors = {f"v{latent}": TensorRef.of(tiny.sae().W_dec[latent]) for latent, _ in pairs}
    return SteeringSpec(
        tuple(
            Intervention(
                at,
                "add",
                tensor=f"v{latent}",
                normalize=False,
                strength=Strength(value),
                where=Where(skip=()),
            )
            for latent, value in pairs
        ),
        tensors,
    )


def answers(model, asked):
    model.steer(asked)
    return [value for value, _ in model.loglikelihood(scoring())]


def same(model, asked, spec, tmp_path):
    spec.save(tmp_path / "same.yaml")
    found = answers(model, asked)
    assert found == pytest.approx(answers(model, Asked(tmp_path / "same.yaml")), abs=1e-5)
    assert found != answers(model, Asked())


def test_an_add_row_works_from_a_local_sae(model, table, sae, tmp_path):
    asked = table(STEERED, f"sae_lens,add,{sae},layers.1,3,9.0,")
    same(model, asked, added((3, 9.0)), tmp_path)


def test_a_table_without_the_columns_loader_and_action_works(model, table, sae, tmp_path):
    head = "sparse_model,hookpoint,feature_index,steering_coefficient,sae_id\n"
    folder, name = sae.parent, sae.name
    same(model, table(head, f"{folder},layers.1,3,9.0,{name}"), added((3, 9.0)), tmp_path)


def test_rows_that_share_a_hookpoint_all_act(model, table, sae, tmp_path):
    rows = [f"sae_lens,add,{sae},layers.1,{latent},{value}," for latent, value in ((3, 9.0), (5, -7.0))]
    same(model, table(STEERED, *rows), added((3, 9.0), (5, -7.0)), tmp_path)


def test_the_first_dialect_with_spaces_and_the_hookpoint_of_the_sae_itself(model, table, sae, tmp_path):
    asked = table(BETA, f"3, 9.0, {sae}, , the third", f" 5,-7.0,{sae},,the fifth")
    same(model, asked, added((3, 9.0), (5, -7.0)), tmp_path)


@pytest.mark.parametrize("action", ["add", "clamp"])
def test_a_head_of_a_table_is_steered_alone(model, table, tmp_path, action):
    tiny.sae(d_in=8, hook_name="").save(tmp_path / "head")
    at = "layers.1.attn.heads"
    asked = table(STEERED, f"sae_lens,{action},{tmp_path / 'head'},{at},3,9.0,1")
    model.steer(asked)
    tokens = model.lm.tokenize(["the cat sat"], bos=False)
    before = model.lm.record(tokens, [at])[at]
    with model.steered.running():
        after = model.lm.record(tokens, [at])[at]
    assert torch.equal(before[..., :8], after[..., :8]) and not torch.allclose(
        before[..., 8:], after[..., 8:]
    )


def test_a_hookpoint_that_is_not_there_leaves_no_hooks(model, table, sae):
    """One of the two is: it must not stay steered."""
    asked = table(STEERED, f"sae_lens,add,{sae},layers.1,3,9.0,", f"sae_lens,add,{sae},layers.9,3,9.0,")
    before = everything(model)
    with pytest.raises(MissingHookpoint, match=r"layers\.9"):
        model.steer(asked)
    assert tiny.hooks(model.lm) == 0 and everything(model) == before


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pt_file_is_not_unpickled(model, tmp_path):
    entry = {"action": "add", "steering_vector": tiny.vector(), "extra": Bomb(str(tmp_path / "ran"))}
    torch.save({"layers.1": entry}, tmp_path / "s.pt", pickle_module=pickle)
    with pytest.raises(BadSpec, match="could run code"):
        model.steer(Asked(tmp_path / "s.pt"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["blocks.1.hook_resid_post", "model.layers.1", "layers.1"])
def test_hookpoints_may_be_named_as_other_libraries_do(model, table, sae, tmp_path, name):
    same(model, table(STEERED, f"sae_lens,add,{sae},{name},3,9.0,"), added((3, 9.0)), tmp_path)


def test_bos_is_left_alone_where_that_is_asked(model, table, sae):
    """The formats of others steer it; padding never is, since an answer does not hang on its batch."""
    rows = table(STEERED, f"sae_lens,add,{sae},layers.1,3,9.0,")
    everywhere = answers(model, rows)
    assert answers(model, Asked(rows.file, skip=("bos",))) != everywhere
    model.steer(Asked(rows.file, skip=("bos",)))
    tokens = Tokens.of([[1, 5, 6]])
    before = model.lm.record(tokens, ["layers.1"])["layers.1"]
    with model.steered.running():
        after = model.lm.record(tokens, ["layers.1"])["layers.1"]
    assert torch.equal(before[:, 0], after[:, 0]) and not torch.allclose(before[:, 1:], after[:, 1:])


def test_padding_is_not_steered(model, table, sae):
    model.steer(table(STEERED, f"sae_lens,add,{sae},layers.1,3,9.0,"))
    together = model.generate_until(writing())
    alone = [model.generate_until([each])[0] for each in writing()]
    assert together == alone


def test_the_results_name_spec_and_saes_with_their_hashes(model, table, sae):
    asked = table(STEERED, f"sae_lens,add,{sae},layers.1,3,9.0,")
    model.steer(asked)
    found = model.get_model_info()["saesteer"]
    assert found["saes"] == {"s0": {"source": str(sae), "sha256": tiny_hash(sae)}}
    assert found["spec"]["fingerprint"] == asked.spec().fingerprint()
    assert found["spec"]["interventions"][0].startswith("1. layers.1: add s0.3")


def tiny_hash(folder):
    from saesteer.saes import load_sae

    return load_sae(str(folder)).fingerprint()


@pytest.mark.parametrize(
    ("row", "masked"),
    [("3, 2.0, {sae},, d, clamp,,", True), ("3, 2.0, {sae},, d, clamp_cond, 0.5,", True),
     ("3, 2.0, {sae},, d, clamp_refusal, 0.5, 7", True)],
)  # fmt: skip
def test_masked_and_conditional_clamps_of_the_first_dialect_work(model, table, sae, row, masked):
    head = BETA.strip() + ", hook_action, clamp_value, refuse_id\n"
    model.steer(table(head, row.format(sae=sae)))
    tokens = model.lm.tokenize(["the cat sat on the mat and then the dog ran"], bos=False)
    before = model.lm.record(tokens, ["layers.1"])["layers.1"]
    with model.steered.running():
        after = model.lm.record(tokens, ["layers.1"])["layers.1"]
    z = tiny.sae().latent(before, [3])[0, :, 0]
    gate = z > (0.5 if "cond" in row or "refusal" in row else 0)
    assert bool(gate.any()) and not bool(gate.all())
    changed = ~(before == after).all(-1)[0]
    assert torch.equal(changed, gate)


def test_an_order_of_ops_is_kept_and_any_op_may_stand_in_a_spec(model, tmp_path):
    """More than add and clamp: what lm_eval's issue asked for."""
    one = tiny.join(tiny.direction(value=40.0, op="rotate"), tiny.direction(value=5.0, seed=3))
    other = tiny.join(tiny.direction(value=5.0, seed=3), tiny.direction(value=40.0, op="rotate"))
    one.save(tmp_path / "a.yaml")
    other.save(tmp_path / "b.yaml")
    assert answers(model, Asked(tmp_path / "a.yaml")) != answers(model, Asked(tmp_path / "b.yaml"))
    with steer(model.lm, None), pytest.raises(SaesteerError):
        Asked(tmp_path / "c.yaml").spec()
