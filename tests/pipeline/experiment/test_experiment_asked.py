"""What a report says was asked for: everything that changes what is found, and nothing that was left out."""

from pathlib import Path

from saesteer.pipeline.experiment import ExperimentConfig, ExperimentRun
from saesteer.pipeline.experiment.asked import asked_lines
from tests.pipeline.experiment.small import small


def asked(**changes):
    config = ExperimentConfig.from_dict(small(**changes))
    about = {
        "model": {"name": "world"},
        "concepts": [{"name": "sea"}, {"name": "war"}],
        "prompts": 4,
        "judges": [{"name": "oracle"}, {"name": "regex"}],
    }
    return dict(asked_lines(ExperimentRun(Path("run"), config, about, None, (), ())))


def test_methods_are_told_with_what_they_were_given():
    methods = [
        "diffmean",
        {"method": "sae_decoder", "name": "two", "sae": "s", "at": "layers.3", "options": {"top": 2}},
        {"method": "caa", "variants": {"at": ["layers.2", "layers.3"]}, "strengths": [0.1, 0.2]},
        {"spec": "/somewhere/mine.yaml", "name": "mine", "label": "My own"},
        {"method": "random_direction", "label": "Luck"},
        {
            "method": "sae_decoder",
            "name": "long",
            "options": {"choose": "contrast", "latent": list(range(99))},
        },
    ]
    assert asked(methods=methods)["methods"] == (
        "diffmean, two (sae_decoder; the SAE s; at layers.3; top 2), "
        "caa (at layers.2 or layers.3; strengths 0.1, 0.2), My own (mine; the spec mine.yaml), "
        "Luck (random_direction), "
        "long (sae_decoder; choose contrast; latent [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11...)"
    )


def test_saes_goals_and_side_effects_are_told():
    saes = {"s": "world/layers.3", "t": {"source": "mine/sae", "at": "layers.4"}}
    found = asked(
        saes=saes, side_effects={"tokens": 20, "count": 8, "sae": "t"}, texts="my/texts.txt", goal=3
    )
    assert found["SAEs"] == "s (world/layers.3), t (mine/sae, at layers.4)"
    assert found["side effects"] == (
        "20 greedy tokens per prompt, up to 8 texts of texts.txt read, drift by the latents of t"
    )
    assert asked(saes=saes, side_effects={"tokens": 20})["side effects"].endswith("by the latents of s")
    assert asked(saes={}, side_effects={"tokens": 9})["side effects"] == (
        "9 greedy tokens per prompt, up to 32 texts read"
    )
    assert found["goal"] == "3 times the base rate"
    methods = ["diffmean", {"method": "caa", "goal": 5}]
    assert asked(methods=methods)["goal"] == "times the base rate: 5 by caa"
    assert asked(methods=methods, goal=2)["goal"] == "times the base rate: 5 by caa, 2 by the others"


def test_what_was_not_asked_for_has_no_line():
    found = asked(saes={}, side_effects=False)
    assert found["side effects"] == "not measured" and not {"SAEs", "aim", "goal"} & set(found)
    assert asked(aim="less")["aim"] == "less of the behaviour"
