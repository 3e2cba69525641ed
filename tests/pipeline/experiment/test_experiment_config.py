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
        (
            {"methods": [{"method": "sae_decoder", "options": {"choose": "contrst"}}]},
            "unknown chooser 'contrst'; did you mean 'contrast'",
        ),
        (
            {"methods": [{"method": "sae_ts", "options": {"effects": "e"}, "variants": {"choose": ["lft"]}}]},
            "unknown chooser 'lft'",
        ),
        ({"methods": [{"method": "sae_decoder", "sae": "t"}]}, "unknown SAE of the method 'sae_decoder' 't'"),
        ({"methods": [{"method": "diffmean", "spec": "a.yaml"}]}, "'diffmean' is one of method and spec"),
        (
            {"methods": [{"method": "diffmean", "role": "hero"}]},
            "unknown role of the method 'diffmean' 'hero'",
        ),
        ({"methods": [{"method": "sae_decoder", "from": "features"}]}, "give concepts: {tasks: FOLDER}"),
        ({"methods": [{"method": "diffmean", "variants": {"bos": True}}]}, "variants: bos is a list"),
        ({"methods": []}, "methods is empty"),
        (
            {"methods": [{"method": "prompting", "at": "layers.3"}]},
            "'prompting' writes prefixes; leave out at",
        ),
        ({"methods": [{"method": "prompting", "strengths": [1]}]}, "'prompting' writes prefixes; leave out"),
        ({"methods": [{"method": "finetune", "at": "layers.3"}]}, "'finetune' acts at no hookpoint"),
        ({"methods": [{"method": "diffmean", "strengths": []}]}, "methods[0]: strengths is empty; give some"),
        ({"methods": [{"method": "diffmean", "from": 3}]}, "methods[0]: from is a text, got 3"),
        (
            {"methods": [{"method": "diffmean", "task_latents": "features"}]},
            "unknown field of methods[0] 'task",
        ),
        ({"model": ""}, "model: name is empty"),
        ({"saes": {"s": ""}}, "a source of saes is empty"),
        ({"texts": " "}, "texts: source is empty"),
        ({"methods": "diffmean"}, "methods are a list"),
        ({"aim": "fewer"}, "aim is more or less of the behaviour, got 'fewer'"),
        ({"aim": "less", "goal": 3}, "leave it out with aim: less"),
        ({"strengths": []}, "'diffmean' has no strengths"),
        ({"strengths": [0.1, 0.1]}, "strengths are different finite numbers"),
        ({"seeds": [0, 0]}, "seeds are different whole numbers"),
        ({"seeds": [0.5]}, "seeds are whole numbers"),
        ({"samples": {"test": 0}}, "samples: test is 1 to 10,000, got 0"),
        ({"samples": {"tests": 1}}, "unknown field of samples 'tests'; did you mean 'test'"),
        ({"coherence": 2}, "coherence lies between 0 and 1"),
        ({"prompts": 1}, "prompts is 2 or more"),
        ({"prompts": 10**9}, "prompts is 10,000 of the world's openings at most"),
        ({"seeds": [2**63]}, "a seed is below 2^63"),
        ({"goal": float("nan")}, "an experiment: goal is a number, got nan"),
        ({"goal": float("inf")}, "a goal is a number of times above 0"),
        ({"methods": [{"method": "diffmean", "goal": -1}]}, "a goal is a number of times above 0"),
        ({"writing": {"temperature": float("nan")}}, "writing: temperature is a number, got nan"),
        ({"writing": {"temperature": -1}}, "temperature is a number from 0 up"),
        ({"writing": {"top_k": 0}}, "top_k is at least 1"),
        ({"judges": "oracle"}, "judges are a list"),
        ({"side_effects": {"sae": "t"}}, "unknown SAE of side_effects 't'"),
        ({"side_effects": {"tokens": 0}}, "side_effects: tokens is 1 or more"),
        ({"strenghts": [1]}, "unknown field of an experiment 'strenghts'; did you mean 'strengths'"),
        ({"samples": {"test": "4"}}, "samples: test is a whole number, got the text '4'; drop the quotes"),
        ({"samples": "4"}, "samples: test is a whole number, got the text '4'; drop the quotes"),
        ({"samples": {"test": 10**9}}, "samples: test is 1 to 10,000, got 1000000000"),
        ({"batch": "256"}, "batch is a whole number, got the text '256'; drop the quotes"),
        ({"coherence": "0.8"}, "coherence is a number, got the text '0.8'; drop the quotes"),
        ({"goal": "3"}, "goal is a number, got the text '3'; drop the quotes"),
        ({"strengths": ["0.2"]}, "strengths are different finite numbers, got the text '0.2'; drop the"),
        ({"strengths": "0.2"}, "strengths are different finite numbers, got the text '0.2'; drop the"),
        ({"strengths": [float("nan")]}, "strengths are different finite numbers, got [nan]"),
        ({"strengths": [10**400]}, "strengths are different finite numbers, got [1000"),
        ({"strengths": [True]}, "strengths are different finite numbers, got True"),
        ({"seeds": ["0"]}, "seeds are whole numbers, got the text '0'; drop the quotes"),
        ({"seeds": []}, "seeds are different whole numbers"),
        ({"prompts": "16"}, "prompts is a whole number, a file or a list of texts, got the text '16'; drop"),
        ({"prompts": 16.5}, "prompts is a whole number, a file or a list of texts, got 16.5"),
        ({"prompts": True}, "prompts is a whole number, a file or a list of texts, got True"),
        ({"prompts": ["a b", "a b"]}, "prompts names 'a b' twice"),
        ({"prompts": ["a b", " "]}, "prompts[1] is a text that is not empty, got ' '"),
        ({"concepts": []}, "concepts is empty"),
        ({"concepts": ["world/sea", "world/sea"]}, "concepts names 'world/sea' twice"),
        ({"concepts": [["world/sea"]]}, "concepts[0] is a text that is not empty, got ['world/sea']"),
        ({"concepts": {"tasks": "t", "only": ["a", "a"]}}, "concepts: only names one twice"),
        ({"concepts": {"task": "t"}}, "unknown field of concepts 'task'; did you mean 'tasks'"),
        (
            {"side_effects": "yes please"},
            "side_effects is true, false or a mapping such as {tokens: 50}, got",
        ),
        ({"side_effects": "true"}, "got the text 'true'; drop the quotes"),
        ({"side_effects": ["tokens"]}, "side_effects is true, false or a mapping"),
        ({"side_effects": 1}, "side_effects is true, false or a mapping such as {tokens: 50}, got 1"),
        ({"writing": {"stop": "no"}}, "writing: stop is true or false, got the text 'no'; drop the quotes"),
        ({"writing": {"max_new_tokens": False}}, "writing: max_new_tokens is a whole number, got False"),
        ({"writing": {"top": 1}}, "unknown field of writing 'top'; did you mean 'stop'"),
        ({"title": None}, "an experiment: title is a text, got nothing; give one, or leave the key out"),
        ({"title": ["x"]}, "an experiment: title is a text, got ['x']"),
        ({"texts": {"source": "t", "count": 0}}, "texts: count is 1 or more, got 0"),
        ({"saes": ["world/layers.3"]}, "saes are names with sources ({s: world/layers.3}), got"),
        ({"saes": {1: "world/layers.3"}}, "a name of saes is a text, got 1; put quotes around it"),
        ({"saes": {"s": {"sorce": "x"}}}, "unknown field of saes: s 'sorce'; did you mean 'source'"),
        ({"saes": {"s": 3}}, "saes: s: source is a text, got 3"),
        ({"methods": [4]}, "methods[0] is a name or a mapping, got 4"),
        ({"methods": [{"method": 4}]}, "methods[0]: method is a text, got 4"),
        ({"methods": [{"method": "diffmean", "strength": [1]}]}, "unknown field of methods[0] 'strength'"),
        (
            {"methods": [{"method": "diffmean", "strengths": [float("inf")]}]},
            "methods[0]: strengths are diff",
        ),
        ({"methods": [{"method": "diffmean", "options": ["bos"]}]}, "methods[0]: options is a mapping, got"),
        ({"methods": [{"method": "diffmean", "goal": "3"}]}, "goal is a number, got the text '3'"),
        ({"methods": [{"method": "diffmean", "variants": {"at": []}}]}, "variants: at is a list of values"),
        (
            {"methods": [{"method": "diffmean", "variants": {"at": ["layers.2", "layers.2"]}}]},
            "methods: diffmean: variants: at are different values",
        ),
        (
            {"methods": [{"method": "diffmean", "variants": {"at": [3]}}]},
            "methods: diffmean: variants: at are names of hookpoints, got [3]",
        ),
        (
            {"methods": ["diffmean", {"method": "caa", "label": "Diffmean"}]},
            "two methods have the label 'diffmean'; give them labels of their own",
        ),
        ({"batch": "many"}, "an experiment: batch is a whole number, got 'many'"),
    ],
)
def test_what_cannot_be_meant_is_named(changes, said):
    with pytest.raises(InputError) as caught:
        made(**changes)
    assert said in str(caught.value) and "\n" not in str(caught.value)


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


def test_a_key_that_is_no_text_is_named():
    with pytest.raises(InputError, match="unknown field of an experiment '1'"):
        ExperimentConfig.from_dict(small() | {1: 2})


def test_a_setting_without_a_value_says_what_to_write(tmp_path):
    (tmp_path / "e.yaml").write_text("concepts: [world/sea]\nmethods: [prompting]\n")
    with pytest.raises(InputError) as caught:
        read_experiment(tmp_path / "e.yaml", (), ["title="])
    assert str(caught.value) == (
        "--set title= says no value; write title='\"\"' for an empty text, title=null for none"
    )
    assert read_experiment(tmp_path / "e.yaml", (), ['title=""', "goal=null"]).title == ""


def test_a_file_that_is_a_list_is_refused(tmp_path):
    (tmp_path / "e.yaml").write_text("- concepts: [world/sea]\n")
    with pytest.raises(InputError, match="holds a list, not named fields"):
        read_experiment(tmp_path / "e.yaml")


@pytest.mark.parametrize("text", ["samples", "=3", "samples..test=3", "samples.test=[1"])
def test_a_setting_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / "e.yaml").write_text("concepts: [world/sea]\nmethods: [prompting]\n")
    with pytest.raises(InputError, match="--set"):
        read_experiment(tmp_path / "e.yaml", (), [text])


def test_an_unknown_name_is_one(tmp_path):
    with pytest.raises(UnknownName):
        made(model={"name": "world", "revison": "x"})
