"""saesteer steer."""

import json

import pytest
import torch
import yaml

from saesteer.effects import Approximator, targeted_vector
from saesteer.methods import METHODS, TABLE
from saesteer.steering import Where, load_spec
from tests.cli import tiny


def test_a_spec_from_a_concept(run, place, tmp_path):
    out = tmp_path / "new" / "wedding.yaml"
    line = (
        "steer",
        "world/wedding",
        "-m",
        place.model,
        "--at",
        "blocks.2.hook_resid_post",
        "--strength",
        0.4,
    )
    said = run(*line, "--out", out)
    assert (said.code, said.err) == (0, "")
    assert f"{out}: add at layers.2, strength 0.4 residual_norm (raw " in said.out
    spec = load_spec(out)
    (each,) = spec.interventions
    assert (each.hookpoint, each.op, each.strength.value) == ("layers.2", "add", 0.4)
    assert each.strength.plain == pytest.approx(0.4 * each.strength.factor)
    assert spec.provenance["method"] == "diffmean" and spec.provenance["concept"] == "world/wedding"


def test_a_latent_with_another_unit_keeps_the_saes_place(run, place, tmp_path):
    out = tmp_path / "latent.json"
    options = ("--method", "sae_decoder", "--latent", 32, "--strength", 0.5, "--unit", "latent_max", "--json")
    said = run("steer", "world/sea", "-m", place.model, "--sae", place.sae, *options, "--out", out)
    assert (said.code, said.err) == (0, "")
    record = json.loads(said.out)
    assert record["spec"] == json.loads(out.read_text())
    assert record["spec"]["saes"]["s"]["source"] == place.sae
    assert record["spec"]["tensors"]["v"]["latents"] == [[32, 1.0]]
    strength = record["spec"]["interventions"][0]["strength"]
    assert strength["unit"] == "latent_max" and strength["resolved"] > 0


def test_the_same_seed_is_the_same_control(run, place, tmp_path):
    made = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / f"{name}.yaml"
        line = ("steer", "world/sea", "--method", "random_direction", "--seed", seed, "-m", place.model)
        assert run(*line, "--out", out).code == 0
        made.append(yaml.safe_load(out.read_text())["tensors"]["v"]["sha256"])
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--method", "difmean"], "did you mean 'diffmean'?"),
        (["--method", "diffmean", "--latent", "3"], "--latent is not for the method 'diffmean'"),
        (["--method", "diffmean", "--sae", "x"], "--sae is not for the method 'diffmean'"),
        (["--strength", "1", "--unit", "residual"], "did you mean 'residual_norm'?"),
        (["--unit", "raw"], "--unit is the unit of --strength"),
        (["--method", "sae_decoder", "--latent", "3", "--choose", "lif"], "--latent names the latents that"),
        (["--method", "prompting"], "prompting makes no spec but"),
        (["--method", "pca", "--set", "readin=last"], "did you mean 'reading'?"),
        (["--method", "pca", "--set", "strength=2"], "unknown option of the method 'pca' 'strength'"),
        (["--method", "pca", "--set", "reading"], "--set is NAME=VALUE"),
        (["--method", "pca", "--set", "reading=first"], "reading is one of mean, last, got 'first'"),
        (["--method", "sae_decoder", "--set", "top=2", "--top", "3"], "--top is given by --set too"),
        (["--method", "sae_decoder", "--latent", "7=x"], "--latent is a number, or one with a weight"),
        (["--method", "sae_decoder", "--choose", "lifts"], "did you mean 'lift'?"),
        (["--method", "sae_decoder", "--op", "splice"], "op is one of add, add_latents, set_latents"),
        (["--method", "scar_latent"], "the SAE was conditioned on no concept"),
        (["--at", "layers.9"], "layers are 0 to 3"),
        (["--positions", "promt"], "--positions: unknown value 'promt'; did you mean 'prompt'?"),
        (["--positions", "6:0"], "--positions: must be [a, b] with a < b (b itself is left out), got [6, 0]"),
        (["--positions", "0:x"], "--positions: unknown value '0:x'"),
        (["--skip", "bos,eos"], "--skip[1]: unknown value 'eos'"),
        (["--strength", "1e39"], "must be finite in float32, got 1e+39"),
    ],
)
def test_what_cannot_be_meant(run, place, tmp_path, options, expected):
    out, own = tmp_path / "spec.yaml", []
    if options[1] in ("sae_decoder", "scar_latent"):
        own = ["--sae", place.sae]
    said = run("steer", "world/sea", "-m", place.model, *own, *options, "--out", out)
    assert (said.code, said.out) == (2, "") and expected in said.err
    assert not list(tmp_path.iterdir())


def test_a_spec_has_a_known_ending(run, tmp_path):
    said = run("steer", "world/sea", "--out", tmp_path / "spec.txt")
    assert said.code == 2 and "a spec is a .yaml or .json file, got 'spec.txt'" in said.err


def test_a_method_by_effects(run, place, tmp_path):
    draw = torch.Generator().manual_seed(0)
    M, b = torch.randn(tiny.WIDTH, tiny.D_SAE, generator=draw), torch.randn(tiny.D_SAE, generator=draw)
    found = Approximator(M, b)
    found.save(tmp_path / "a")
    line = ("steer", "world/sea", "-m", place.model, "--sae", place.sae, "--out", tmp_path / "sea.yaml")
    said = run(*line, "--method", "sae_ts", "--effects", tmp_path / "a", "--latent", 7)
    assert (said.code, said.err) == (0, "")
    spec = load_spec(tmp_path / "sea.yaml")
    assert spec.provenance["effects_sha256"] == found.fingerprint()
    torch.testing.assert_close(spec.tensors["v"].value, targeted_vector(found, [(7, 1.0)]))
    said = run(*line, "--method", "sae_ts")
    assert said.code == 2 and "the method 'sae_ts' needs --effects" in said.err
    said = run(*line, "--method", "sae_decoder", "--effects", tmp_path / "a")
    assert said.code == 2 and "--effects is not for the method 'sae_decoder'" in said.err


NEEDED = {
    "sae_decoder": ["--choose", "logit_effect", "--top", 2],
    "random_direction": ["--seed", 3],
    "pca": ["--set", "reading=last", "--set", "paired=false"],
    "probe": ["--set", "level=text"],
    "actadd": ["--set", "pair=[A story about the sea., A story.]", "--at", "layers.1.in"],
    "caa": ["--set", "parity=true"],
    "scar_latent": ["--latent", 5, "--set", "alpha=-2"],
}


@pytest.mark.parametrize(
    "method", [each for each in TABLE if not {"judge", "effects", "scores"} & {*TABLE[each].needs}]
)
def test_every_method_is_reached(run, place, tmp_path, method):
    """Its options too; what the spec does is the methods' own tests' business."""
    out = tmp_path / "spec.yaml"
    own = ["--sae", place.sae] if "sae" in TABLE[method].needs else []
    line = ("steer", "world/sea", "-m", place.model, "--method", method, *own, *NEEDED.get(method, []))
    said = run(*line, "--out", out)
    if method == "prompting":
        assert said.code == 2 and "prompting makes no spec but" in said.err and "prefixes" in said.err
        return
    assert (said.code, said.err) == (0, "")
    assert load_spec(out).provenance["method"] == method
    assert f"{out}: " in said.out


def test_options_of_a_method_by_name(run, place, tmp_path):
    out = tmp_path / "spec.yaml"
    line = ("steer", "world/sea", "-m", place.model, "--method", "pca", "--out", out)
    assert run(*line, "--set", "reading=last", "--set", "paired=false").code == 0
    about = load_spec(out).provenance
    assert (about["reading"], about["paired"]) == ("last", False)


def test_a_direction_is_trained_where_it_is_placed(run, place, tmp_path):
    line = (
        "steer",
        "world/sea",
        "-m",
        place.model,
        "--method",
        "trained",
        "--at",
        "layers.1",
        "--set",
        "steps=2",
    )
    found = []
    for number, words in enumerate(([], ["--positions", "0:4"])):
        out = tmp_path / f"{number}.yaml"
        assert run(*line, *words, "--out", out).code == 0
        found.append(load_spec(out))
    plain, placed = found
    assert placed.interventions[0].where.positions == (0, 4)
    assert placed.provenance["settings"]["positions"] == [0, 4]
    assert placed.provenance["settings"]["factors"] != plain.provenance["settings"]["factors"]


def test_latents_with_weights(run, place, tmp_path):
    out = tmp_path / "spec.yaml"
    line = ("steer", "world/sea", "-m", place.model, "--method", "sae_decoder", "--sae", place.sae)
    said = run(
        *line, "--latent", 12, "--latent", "7=-0.5", "--op", "set_latents", "--set", "unit=raw", "--out", out
    )
    assert (said.code, said.err) == (0, "")
    (each,) = load_spec(out).interventions
    assert (each.op, each.latents) == ("set_latents", ((12, 1.0), (7, -0.5)))


def test_a_judge_is_asked_by_name(run, place, tmp_path):
    """A tiny random model writes nothing of the sea: the judge says so."""
    out = tmp_path / "spec.yaml"
    line = ("steer", "world/sea", "-m", place.model, "--method", "corrsteer", "--sae", place.sae)
    said = run(*line, "--judge", "oracle", "--set", "texts=16", "--set", "max_new_tokens=3", "--out", out)
    assert said.code == 2 and "of 16 judged texts 0 succeed" in said.err
    said = run(*line, "--judge", "orakle", "--out", out)
    assert said.code == 2 and "did you mean 'oracle'?" in said.err


def test_a_method_of_an_outsider_gets_what_it_asks_for(run, place, tmp_path):
    """Effects, scores, modes and layers are for methods that name them."""
    asked = {}

    def own(lm, concept, effects, *, layers=(), mode="swap", scores=None):
        asked.update(effects=effects, layers=layers, mode=mode, scores=scores, concept=concept.name)
        return METHODS.get("diffmean")(lm, concept, layers[0])

    METHODS.register("own", own)
    try:
        out, line = tmp_path / "spec.yaml", ("steer", "world/sea", "-m", place.model, "--method", "own")
        said = run(*line, "--out", out)
        assert said.code == 2 and "the method 'own' needs --effects" in said.err
        said = run(*line, "--effects", "published", "--scores", tmp_path / "none", "--out", out)
        assert said.code == 2 and "--scores: there is no file or folder" in said.err
        given = ("--effects", place.texts, "--layers", "layers.1", "--layers", "layers.2", "--mode", "weight")
        assert run(*line, *given, "--out", out).code == 0
    finally:
        METHODS._table.pop("own")
    assert asked == {
        "effects": str(place.texts),
        "layers": ["layers.1", "layers.2"],
        "mode": "weight",
        "scores": None,
        "concept": "world/sea",
    }


def test_the_help_lists_every_method(run):
    said = run("steer", "--help")
    assert said.code == 0
    for name, method in TABLE.items():
        assert name in said.out and method.about[:40] in said.out


@pytest.mark.parametrize(
    ("method", "options", "where"),
    [
        ("diffmean", ["--positions", "0:6"], Where((0, 6))),
        ("diffmean", ["--positions", "generated", "--skip", ""], Where("generated", skip=())),
        ("diffmean", ["--skip", "special"], Where(skip=("special",))),
        ("diffmean", ["--skip", "bos, special"], Where()),
        ("opening", [], Where((0, 6))),
        ("opening", ["--skip", ""], Where((0, 6), skip=())),
        ("opening", ["--positions", "2:4"], Where((2, 4))),
        ("sae_decoder", ["--positions", "prompt"], Where("prompt")),
        ("random_direction", ["--positions", "last"], Where("last")),
    ],
)
def test_a_spec_of_any_method_is_placed(run, place, tmp_path, method, options, where):
    out, own = tmp_path / "spec.yaml", ["--sae", place.sae] if method == "sae_decoder" else []
    said = run("steer", "world/sea", "-m", place.model, "--method", method, *own, *options, "--out", out)
    assert (said.code, said.err) == (0, "")
    assert {each.where for each in load_spec(out).interventions} == {where}
