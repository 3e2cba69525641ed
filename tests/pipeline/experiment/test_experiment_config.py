"""What a file of an experiment may say, and what is refused before anything is loaded."""

import pytest

from saesteer.errors import InputError, UnknownName
from saesteer.pipeline.experiment import ExperimentConfig, read_experiment
from tests.pipeline.experiment.small import small


def made(**changes):
    return ExperimentConfig.from_dict(small(**changes))


def test_a_config_survives_its_own_record():
    methods = [
        "prompting",
        {"method": "diffmean", "variants": {"at": ["layers.2", "layers.3"]}, "strengths": [0.1]},
        {"method": "sae_decoder", "sae": "s", "name": "two latents", "options": {"top": 2}},
        {"spec": "mine.yaml", "role": "control"},
    ]
    found = made(
        methods=methods, judges=["regex:sea"], seeds=[0, 3], texts="t.txt", side_effects={"tokens": 9}
    )
    assert ExperimentConfig.from_dict(found.to_dict()) == found
    assert [each.name for each in found.methods] == ["prompting", "diffmean", "two latents", "mine"]
    assert found.methods[1].strengths == (0.1,) and found.texts.source == "t.txt"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"methods": ["difmean"]}, "unknown method 'difmean'; did you mean 'diffmean'"),
        (
            {"methods": [{"method": "diffmean", "options": {"pair": 1}}]},
            "unknown option of the method 'diffmean' 'pair'",
        ),
        (
            {"methods": [{"method": "diffmean", "options": {"bos": "no"}}]},
            "methods: diffmean: bos is true or false",
        ),
        ({"methods": ["sae_ts"]}, "methods: sae_ts: the method 'sae_ts' needs effects"),
        ({"methods": ["diffmean", "diffmean"]}, "two methods are called 'diffmean'"),
        ({"methods": [{"method": "diffmean", "sae": "s"}]}, "'diffmean' takes no SAE"),
        ({"methods": [{"method": "sae_decoder", "sae": "t"}]}, "unknown SAE of the method 'sae_decoder' 't'"),
        ({"methods": [{"method": "diffmean", "spec": "a.yaml"}]}, "'diffmean' is one of method and spec"),
        (
            {"methods": [{"method": "diffmean", "role": "hero"}]},
            "unknown role of the method 'diffmean' 'hero'",
        ),
        ({"methods": [{"method": "sae_decoder", "from": "features"}]}, "give concepts: {tasks: FOLDER}"),
        ({"methods": [{"method": "diffmean", "variants": {"bos": True}}]}, "variants: bos is a list"),
        ({"methods": []}, "methods is empty"),
        ({"methods": "diffmean"}, "methods are a list"),
        ({"aim": "fewer"}, "aim is more or less of the behaviour, got 'fewer'"),
        ({"aim": "less", "goal": 3}, "leave it out with aim: less"),
        ({"strengths": []}, "'diffmean' has no strengths"),
        ({"strengths": [0.1, 0.1]}, "strengths are different finite numbers"),
        ({"seeds": [0, 0]}, "seeds are different whole numbers"),
        ({"seeds": [0.5]}, "seeds are whole numbers"),
        ({"samples": {"test": 0}}, "samples: test is 1 or more"),
        ({"samples": {"tests": 1}}, "unknown field of samples 'tests'; did you mean 'test'"),
        ({"coherence": 2}, "coherence lies between 0 and 1"),
        ({"prompts": 1}, "prompts is 2 or more"),
        ({"prompts": 10**9}, "prompts is 10,000 of the world's openings at most"),
        ({"seeds": [2**63]}, "a seed is below 2^63"),
        ({"goal": float("nan")}, "a goal is a number of times above 0"),
        ({"methods": [{"method": "diffmean", "goal": -1}]}, "a goal is a number of times above 0"),
        ({"writing": {"temperature": float("nan")}}, "temperature is a number from 0 up"),
        ({"writing": {"top_k": 0}}, "top_k is at least 1"),
        ({"judges": "oracle"}, "judges are a list"),
        ({"side_effects": {"sae": "t"}}, "unknown SAE of side_effects 't'"),
        ({"side_effects": {"tokens": 0}}, "side_effects: tokens is 1 or more"),
        ({"strenghts": [1]}, "unknown field of an experiment 'strenghts'; did you mean 'strengths'"),
        ({"batch": "many"}, "an experiment: batch is int, got 'many'"),
    ],
)
def test_what_cannot_be_meant_is_named(changes, said):
    with pytest.raises(InputError) as caught:
        made(**changes)
    assert said in str(caught.value)


def test_a_missing_field_is_named():
    given = small()
    del given["methods"]
    with pytest.raises(InputError, match="methods is missing"):
        ExperimentConfig.from_dict(given)


def test_files_are_laid_over_each_other_key_by_key_and_settings_over_them(tmp_path):
    (tmp_path / "real.yaml").write_text(
        "model: {name: google/gemma-2-2b, dtype: bfloat16}\nconcepts: [a.yaml, world/sea]\n"
        "methods: [diffmean]\n"
        "saes: {s: {source: some/sae, at: layers.12}}\nstrengths: [0.1, 0.2]\n"
        "samples: {selection: 2, test: 9}\n"
    )
    (tmp_path / "twin.yaml").write_text(
        "model: {name: world, dtype: float32}\nsamples: {test: 3}\nstrengths: [5]\n"
    )
    found = read_experiment(tmp_path / "real.yaml", [tmp_path / "twin.yaml"], ["samples.base=7", "seeds=[4]"])
    assert (found.model.name, found.model.dtype, found.strengths, found.seeds) == (
        "world",
        "float32",
        (5.0,),
        (4,),
    )
    assert (found.samples.selection, found.samples.test, found.samples.base) == (2, 3, 7)
    assert found.saes["s"].at == "layers.12"
    assert found.concepts == (str(tmp_path / "a.yaml"), "world/sea")


def test_paths_are_beside_the_file_that_names_them(tmp_path):
    (tmp_path / "lm").mkdir()
    (tmp_path / "fitted").mkdir()
    (tmp_path / "e.yaml").write_text(
        "model: lm\nsaes: {s: other/sae}\nconcepts: [c.yaml]\nprompts: p.txt\ntexts: t.txt\n"
        "judge: {judge: 'classifier:lm', cache: answers}\nstrengths: [1]\n"
        "methods: [{spec: mine.yaml}, {method: sae_ts, sae: s, options: {effects: fitted}}]\n"
    )
    found = read_experiment(tmp_path / "e.yaml")
    assert found.model.name == str(tmp_path / "lm") and found.saes["s"].source == "other/sae"
    assert found.prompts == str(tmp_path / "p.txt") and found.texts.source == str(tmp_path / "t.txt")
    assert found.judge == {"judge": f"classifier:{tmp_path / 'lm'}", "cache": str(tmp_path / "answers")}
    assert found.methods[0].spec == str(tmp_path / "mine.yaml")
    assert found.methods[1].options == {"effects": str(tmp_path / "fitted")}


@pytest.mark.parametrize("text", ["samples", "=3", "samples..test=3", "samples.test=[1"])
def test_a_setting_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / "e.yaml").write_text("concepts: [world/sea]\nmethods: [prompting]\n")
    with pytest.raises(InputError, match="--set"):
        read_experiment(tmp_path / "e.yaml", (), [text])


def test_an_unknown_name_is_one(tmp_path):
    with pytest.raises(UnknownName):
        made(model={"name": "world", "revison": "x"})
