"""Both CSV dialects: every action as its maker means it, and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from saesteer.errors import BadSpec, InputError
from saesteer.steering import SAERef, TensorRef, When, load_spec, steer
from saesteer.steering.formats.limits import EVERYWHERE
from tests.steering import tiny

STEERED = (
    "loader,action,sparse_model,hookpoint,feature_index,steering_coefficient,head_index,sae_id,description"
)
BETA = "latent_idx, steering_coefficient,sae_release, sae_id,description, hook_action,clamp_value,refuse_id"
DOG = "latent_idx,steering_coefficient,sae_release,sae_id,description\n"
DOG += "12082, 240.0,gemma-scope-2b-pt-res-canonical,layer_20/width_16k/canonical,dogs\n"


@pytest.fixture
def folder(tmp_path):
    """An SAE on disk as sparsify would lay it: below its name, by hookpoint."""
    tiny.sae(hook_name="layers.1").save(tmp_path / "saes" / "layers.1")
    return tmp_path


def table(folder, header, *rows):
    path = folder / "a.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def activations(lm, spec=None, at="layers.1"):
    """At content tokens, and the plain ones."""
    tokens = lm.tokenize(["the cat sat on the mat", "a dog ran"])
    with steer(lm, spec):
        return lm.record(tokens, [at])[at][tokens.mask]


def test_the_example_of_the_pull_request(tmp_path):
    (tmp_path / "dog_steer.csv").write_text(DOG)
    spec = load_spec(tmp_path / "dog_steer.csv")
    (each,) = spec.interventions
    assert (each.hookpoint, each.op, each.normalize, each.strength.value) == (
        "layers.20",
        "add",
        False,
        240.0,
    )
    assert each.where == EVERYWHERE
    tensor = spec.tensors[each.tensor]
    assert tensor.latents == ((12082, 1.0),)
    source = "gemma-scope-2b-pt-res-canonical/layer_20/width_16k/canonical"
    assert spec.saes[tensor.sae] == SAERef(source)
    assert spec.provenance == {"read_from": "csv_beta", "descriptions": [[source, 12082, "dogs"]]}


@pytest.mark.parametrize("dialect", ["csv", "csv_beta"])
def test_the_example_survives_either_dialect(tmp_path, dialect):
    (tmp_path / "a.csv").write_text(DOG)
    spec = load_spec(tmp_path / "a.csv")
    assert spec.save(tmp_path / "b.csv", dialect).fingerprint() == spec.fingerprint()
    text = (tmp_path / "b.csv").read_text()
    assert (
        text.splitlines()[0].startswith("loader," if dialect == "csv" else "latent_idx,") and "dogs" in text
    )


# What each action does


def test_steered_add_and_clamp(folder, lm, sae):
    rows = ("sparsify,add,{0}/saes,layers.1,3,2.5,,,dogs", "sparsify,clamp,{0}/saes,layers.1,7.0,4.0,,,")
    spec = load_spec(table(folder, STEERED, *(row.format(folder) for row in rows)))
    x = activations(lm) + 2.5 * sae.W_dec[3]
    u = sae.W_dec[7] / sae.W_dec[7].norm()
    wanted = x + u * (4.0 - (x - sae.b_dec) @ u)[:, None]
    torch.testing.assert_close(activations(lm, spec), wanted, atol=1e-5, rtol=0)
    again = spec.save(folder / "b.csv")
    torch.testing.assert_close(activations(lm, again), wanted, atol=1e-5, rtol=0)
    assert [each.op for each in again.interventions] == ["add", "set_projection"]
    written = (folder / "b.csv").read_text()
    assert "clamp," in written and ",7,4.0," in written and "dogs" in written
    clamp = spec.interventions[1]
    assert clamp.strength.value == 4.0 and torch.equal(spec.tensors[clamp.bias].value, sae.b_dec)


def test_a_clamp_to_nothing_takes_out_what_lies_beyond_the_bias(folder, lm, sae):
    spec = load_spec(table(folder, STEERED, f"sparsify,clamp,{folder}/saes,layers.1,7,0.0,,,"))
    (each,) = spec.interventions
    assert (each.op, each.strength.value) == ("project_out", 1.0)
    x, u = activations(lm), sae.W_dec[7] / sae.W_dec[7].norm()
    wanted = x - u * ((x - sae.b_dec) @ u)[:, None]
    torch.testing.assert_close(activations(lm, spec), wanted, atol=1e-5, rtol=0)
    assert spec.save(folder / "b.csv").fingerprint() == spec.fingerprint()


@pytest.mark.parametrize("op", ["set_projection", "project_out"])
@pytest.mark.parametrize("bias", [None, 9])
def test_a_clamp_counted_from_elsewhere_is_counted_from_b_dec_in_the_file(folder, lm, op, bias):
    """The columns have no bias; along u it is a number."""
    value = {"set_projection": 3.0, "project_out": 1.0}[op]
    own = named(tiny.direction(op=op, value=value, bias=bias).everywhere(), folder)
    spec = replace(own, tensors={**own.tensors, "v": TensorRef(sae="s", latents=((7, 2.0),))})
    again = spec.save(folder / "b.csv")
    torch.testing.assert_close(activations(lm, again), activations(lm, spec), atol=1e-5, rtol=0)
    assert not torch.allclose(activations(lm, spec), activations(lm), atol=1e-2)


def test_a_head_has_a_column(tmp_path, lm):
    """Of an SAE as wide as a head."""
    at, sae = "layers.1.attn.heads", tiny.sae(d_in=8)
    sae.save(tmp_path / "saes" / at)
    rows = [f"sparsify,{action},{tmp_path}/saes,{at},3,2.5,1,," for action in ("add", "clamp")]
    spec = load_spec(table(tmp_path, STEERED, *rows))
    assert [each.head for each in spec.interventions] == [1, 1]
    plain = activations(lm, at=at)
    head, v = plain[:, 8:] + 2.5 * sae.W_dec[3], sae.W_dec[3]
    u = v / v.norm()
    wanted = head + u * (2.5 - (head - sae.b_dec) @ u)[:, None]
    for each in (spec, spec.save(tmp_path / "b.csv")):
        found = activations(lm, each, at)
        torch.testing.assert_close(found[:, 8:], wanted, atol=1e-5, rtol=0)
        assert torch.equal(found[:, :8], plain[:, :8])


def test_without_a_hookpoint_it_is_the_saes_own(folder, lm, sae):
    spec = load_spec(
        table(folder, "sparse_model,feature_index,steering_coefficient", f"{folder}/saes/layers.1,3,2.5")
    )
    assert spec.interventions[0].hookpoint == "layers.1"
    torch.testing.assert_close(activations(lm, spec), activations(lm) + 2.5 * sae.W_dec[3], atol=1e-5, rtol=0)


def test_beta_clamp_sets_active_latents_all_at_once(folder, lm, sae):
    rows = [f"{i}, 4.0,{folder}/saes/layers.1,,,clamp" for i in (3, 7)]
    spec = load_spec(table(folder, BETA, *rows))
    (each,) = spec.interventions
    assert (each.op, each.latents, each.only_active, each.keep_error) == (
        "set_latents", ((3, 4.0), (7, 4.0)), True, True,
    )  # fmt: skip
    x = activations(lm)
    z = sae.encode(x)[:, [3, 7]]
    wanted = x + torch.where(z > 0, 4.0 - z, 0 * z) @ sae.W_dec[[3, 7]]
    assert bool((z > 0).any()) and bool((z == 0).any())
    torch.testing.assert_close(activations(lm, spec), wanted, atol=1e-5, rtol=0)
    assert spec.save(folder / "b.csv", "csv_beta") == spec


@pytest.mark.parametrize("action", ["clamp_cond", "clamp_refusal"])
def test_beta_conditional_clamps(folder, lm, sae, action):
    target = {"clamp_cond": 3, "clamp_refusal": 7}[action]
    source = f"{folder}/saes/layers.1"
    spec = load_spec(table(folder, BETA, f"3,9.0,{source},,,{action},0.5,{7 if target == 7 else ''}"))
    x = activations(lm)
    z = sae.encode(x)
    delta = (9.0 - z[:, [target]]) * sae.W_dec[target]
    bos = torch.tensor([True, *[False] * 6, True, *[False] * 3])
    on = (z[:, 3] > 0.5) & ~bos
    assert 0 < int(on.sum()) < int((~bos).sum())
    torch.testing.assert_close(
        activations(lm, spec), torch.where(on[:, None], x + delta, x), atol=1e-5, rtol=0
    )
    again = spec.save(folder / "b.csv", "csv_beta")
    assert again == spec and action in (folder / "b.csv").read_text()


def test_rows_that_only_look_stay_as_provenance(folder):
    source = f"{folder}/saes/layers.1"
    look = f"3,0,{source},,,print,,"
    spec = load_spec(table(folder, BETA, look, f"3,2.0,{source},,,,,"))
    assert len(spec.interventions) == 1
    assert [each["hook_action"] for each in spec.provenance["inspected"]] == ["print"]
    assert spec.save(folder / "b.csv", "csv_beta") == spec
    alone = load_spec(table(folder, BETA, look))
    assert [each.strength.value for each in alone.interventions] == [0.0]
    assert alone.provenance["inspected"][0]["latent_idx"] == "3"


def test_the_order_of_rows_is_kept_and_a_repeated_latent_is_set_again(folder):
    source = f"{folder}/saes/layers.1"
    rows = [
        f"3,1,{source},,,clamp,,",
        f"3,2,{source},,,clamp,,",
        f"4,2,{source},,,add,,",
        f"4,2,{source},,,clamp,,",
    ]
    spec = load_spec(table(folder, BETA, *rows))
    assert [each.op for each in spec.interventions] == ["set_latents", "set_latents", "add", "set_latents"]


# What is refused


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (
            STEERED,
            "sparsify,ad,m,layers.1,3,2.5,,,",
            r"line 2: action: unknown action 'ad'; did you mean 'add'",
        ),
        (
            STEERED,
            "sparsfy,add,m,layers.1,3,2.5,,,",
            "line 2: loader: unknown loader 'sparsfy'; did you mean",
        ),
        (STEERED, "sparsify,add,m,layers.1,x,2.5,,,", "line 2: feature_index: must be a number, got 'x'"),
        (STEERED, "sparsify,add,m,layers.1,3.5,2.5,,,", "line 2: feature_index: must be a whole number"),
        (STEERED, "sparsify,add,m,layers.1,-1,2.5,,,", "line 2: feature_index: must be a whole number"),
        (STEERED, "sparsify,add,m,layers.1,3,nan,,,", "line 2: steering_coefficient: must be finite"),
        (STEERED, "sparsify,add,m,layers.1,3,,,,", "line 2: steering_coefficient: is empty"),
        (STEERED, "sparsify,add,m,,3,2.0,,,", "line 2: hookpoint: is empty"),
        (STEERED, "sparsify,add,,layers.1,3,2.0,,,", "line 2: sparse_model: is empty"),
        (STEERED, "sparsify,add,m,layers.1,3,2.0,-4,,", "line 2: head_index: must be a whole number"),
        (STEERED, "sparsify,add,m,layers.1,3,2.0,x,,", "line 2: head_index: must be a number, got 'x'"),
        (STEERED, "sparsify,clamp,no/such,layers.1,3,2.0,,,", "only its files know its b_dec.*saesteer show"),
        (BETA, "3,1,no/such/sae,,,add,,", "line 2: sae: no/such/sae is not on this machine"),
        (BETA, "3,1,m,,,clam,,", "line 2: hook_action: unknown action 'clam'; did you mean 'clamp'"),
        (BETA, "3,1,gemma-scope-2b-pt-res-canonical,layer_99,,add,,", "line 2: unknown SAE of gemma-scope"),
        ("latent,strength", "3,1", "a table of latents has 'feature_index' .* or 'latent_idx'"),
    ],
)
def test_rows_that_are_not_right(tmp_path, header, row, message):
    with pytest.raises(BadSpec, match=message):
        load_spec(table(tmp_path, header, row))


def test_a_clamp_with_a_gate_needs_its_number(folder):
    source = f"{folder}/saes/layers.1"
    with pytest.raises(BadSpec, match="line 2: clamp_value: is empty"):
        load_spec(table(folder, BETA, f"3,1,{source},,,clamp_cond,,"))
    with pytest.raises(BadSpec, match="line 2: refuse_id: is empty"):
        load_spec(table(folder, BETA, f"3,1,{source},,,clamp_refusal,1.0,"))


def test_files_that_are_no_table(tmp_path):
    with pytest.raises(BadSpec, match="has no rows"):
        load_spec(table(tmp_path, STEERED, ",,,,,,,,"))
    with pytest.raises(InputError, match="more cells than the header"):
        load_spec(table(tmp_path, "latent_idx", "3,4"))
    with pytest.raises(InputError, match="there is no file"):
        load_spec(tmp_path / "none.csv")


def named(spec, folder):
    return replace(spec, saes={"s": SAERef(f"{folder}/saes/layers.1")})


@pytest.mark.parametrize(
    ("spec", "dialect", "message"),
    [
        (tiny.direction().everywhere(), "csv", r"\[0\].tensor: .* 'v' is a vector of its own"),
        (tiny.direction().everywhere(), "csv_beta", r"\[0\].tensor: .* 'v' is a vector of its own"),
        (tiny.latents(only_active=True), "csv_beta", r"\[0\].where.skip: .* edits every position"),
        (tiny.latents(where=EVERYWHERE), "csv", r"\[0\].op: .* got 'set_latents'"),
        (tiny.latents(where=EVERYWHERE), "csv_beta", r"\[0\].only_active: .* only where they are active"),
        (tiny.latents("scale_latents", where=EVERYWHERE), "csv_beta", r"\[0\].op: .* got 'scale_latents'"),
        (
            tiny.latents(keep_error=False, only_active=True, where=EVERYWHERE),
            "csv_beta",
            r"\[0\].keep_error: ",
        ),
        (
            tiny.latents(where=EVERYWHERE, when=When("s", "layers.1", 3, 1.0)),
            "csv_beta",
            r"\[0\].when: .* sets one latent where one of the same SAE",
        ),
        (
            tiny.latents(pairs=((3, 1.0),), where=EVERYWHERE, when=When("s", "layers.1", 3, 1.0, "sequence")),
            "csv_beta",
            r"\[0\].when: ",
        ),
        (
            tiny.latents(pairs=((3, 1.0),), where=EVERYWHERE, when=When("s", "layers.1", 3, 1.0, below=2.0)),
            "csv_beta",
            r"\[0\].when: ",
        ),
        (
            tiny.latents(
                pairs=((3, 1.0),), where=EVERYWHERE, when=When("s", "layers.1", latents=((3, 1.0),))
            ),
            "csv_beta",
            r"\[0\].when: ",
        ),
        (
            tiny.direction("layers.1.attn.heads", head=1, width=8).everywhere(),
            "csv_beta",
            r"\[0\].head: .* has no column for heads, got head 1",
        ),
        (
            tiny.latents(at="layers.2", only_active=True, where=EVERYWHERE),
            "csv_beta",
            r"\[0\].hookpoint: .* where the SAE was trained \(layers.1\), got layers.2",
        ),
    ],
)
def test_what_a_dialect_cannot_hold_is_named(folder, spec, dialect, message):
    with pytest.raises(BadSpec, match=f"^interventions{message}"):
        named(spec, folder).save(folder / "b.csv", dialect)
    assert not (folder / "b.csv").exists()


def test_a_normalised_latent_is_written_as_long_as_it_is(folder, lm, sae):
    spec = load_spec(table(folder, BETA, f"3,2.5,{folder}/saes/layers.1,,,,,"))
    (each,) = spec.interventions
    unit = replace(spec, interventions=(replace(each, normalize=True),))
    for dialect in ("csv", "csv_beta"):
        again = unit.save(folder / "b.csv", dialect)
        assert not again.interventions[0].normalize
        torch.testing.assert_close(activations(lm, again), activations(lm, unit), atol=1e-5, rtol=0)


def test_a_description_is_no_formula(folder):
    spec = load_spec(table(folder, BETA, f"3,-2.5,{folder}/saes/layers.1,,=HYPERLINK(0),,,"))
    spec.save(folder / "b.csv")
    assert "'=HYPERLINK(0)" in (folder / "b.csv").read_text() and "-2.5" in (folder / "b.csv").read_text()


@pytest.mark.parametrize("dialect", ["csv", "csv_beta"])
def test_a_table_of_another_ending_is_refused_before_it_is_written(folder, dialect):
    """It could not be read again."""
    (folder / "a.csv").write_text(DOG)
    path = folder / "a.txt"
    with pytest.raises(InputError, match=r"a table of latents is a \.csv file, got 'a.txt'"):
        load_spec(folder / "a.csv").save(path, dialect)
    assert not path.exists()
