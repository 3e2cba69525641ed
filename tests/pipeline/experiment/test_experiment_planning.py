"""The plan: which cells there are, how many texts each needs, what is left out and why. No model."""

import pytest

from saesteer.errors import InputError
from saesteer.judges.foretelling import Asked
from saesteer.methods import candidates
from saesteer.pipeline.experiment import Rate, prepare
from saesteer.pipeline.experiment.estimate import estimate
from saesteer.text import load_concept
from tests.pipeline.experiment.small import SEA, WEDDING, small, write_task


def test_texts_are_counted_by_what_they_are_for(tmp_path):
    methods = [
        "prompting", {"method": "diffmean", "variants": {"at": ["layers.2", "layers.3"]}}, "random_direction",
    ]  # fmt: skip
    config = small(
        concepts=[SEA, WEDDING], methods=methods, seeds=[0, 1, 2], side_effects=True,
        samples={"selection": 5, "test": 7, "base": 2},
    )  # fmt: skip
    plan = prepare(config, tmp_path / "run").plan
    prompts = len(candidates(load_concept(SEA)))
    counts = [
        (each.where, each.counts.selection, each.counts.test, each.counts.beside) for each in plan.cells
    ]
    assert counts[:3] == [
        ("world/sea · prompting", 3 * prompts * 2 * 5, 3 * 2 * 7, 2 * 2),
        ("world/sea · diffmean", 3 * 2 * 2 * 2 * 5, 3 * 2 * 7, 2 * 2),
        ("world/sea · random_direction", 3 * 2 * 2 * 5, 3 * 2 * 7, 3 * 2 * 2),  # drawn by seed
    ]
    assert len(plan.cells) == 6 and plan.base == 3 * 4 * 2
    assert not (tmp_path / "run").exists()


def test_the_estimate_is_texts_by_the_rate_and_requests_by_the_judge(tmp_path):
    llm = {"judge": "llm", "client": {"client": "openai:m@http://127.0.0.1:9/v1", "prices": [2.0, 10.0]}}
    config = small(judges=[llm], methods=["diffmean"])
    found = prepare(config, tmp_path)
    plain = found.estimate()
    assert (plain.texts, plain.seconds, plain.tokens) == (4 + 4 + 2, None, 10 * 12)
    # Two questions (behaviour, coherence) about each text of the test half and of the plain model.
    assert plain.requests == 2 * (4 + 2) and plain.money > 0
    timed = found.estimate(Rate(texts_per_second=5.0, tokens_per_text=6.0))
    assert timed.seconds == pytest.approx(10 / 5) and timed.tokens == 60
    done = estimate(found.inputs, found.plan, (), True, None)
    assert (done.texts, done.requests, done.money) == (0, 0, 0.0)
    assert Asked(1, 10, None) + Asked(2, 5, 0.5) == Asked(3, 15, 0.5)


def test_tasks_of_the_published_form(tmp_path):
    root = write_task(tmp_path, "sea")
    write_task(tmp_path, "bare", texts=False)
    write_task(tmp_path, "texts", latents=None)
    methods = [
        "diffmean", {"method": "sae_decoder", "name": "features", "from": "features"}, "random_direction",
    ]  # fmt: skip
    found = prepare(
        small(concepts={"tasks": str(root)}, methods=methods, saes={}, judge="regex:sea"), tmp_path / "r"
    )
    assert [each.where for each in found.plan.cells] == [
        "bare · features", "bare · random_direction", "sea · diffmean", "sea · features",
        "sea · random_direction",
        "texts · diffmean", "texts · random_direction",
    ]  # fmt: skip
    assert found.plan.notes == (
        "bare · diffmean: left out, the task has no contrasting texts",
        "texts · features: left out, the task has no features latents",
    )
    sea = next(each for each in found.inputs.subjects if each.concept.name == "sea")
    assert sea.concept.description == "The text is about the sea" and sea.has_texts
    only = small(concepts={"tasks": str(root), "only": ["bare"]}, methods=["diffmean"], judge="regex:sea")
    with pytest.raises(InputError, match="no concept that a method fits: bare · diffmean: left out"):
        prepare(only, tmp_path / "r")


def test_a_language_model_is_asked_a_tasks_own_questions(tmp_path):
    root = write_task(tmp_path, "sea")
    write_task(tmp_path, "dog")
    judge = {"judge": "llm", "client": "openai:m@http://127.0.0.1:9/v1"}
    config = small(concepts={"tasks": str(root)}, judge=judge)
    found = prepare(config, tmp_path / "run").inputs
    for subject in found.subjects:
        criteria = found.judge.of(subject.concept).criteria
        assert [(each.name, each.sentence) for each in criteria] == [
            ("behaviour", f"The text is about the {subject.concept.name}"),
            ("coherence", "The text is coherent."),
        ]  # fmt: skip
    own = prepare(config | {"judge": judge | {"criteria": ["behaviour"]}}, tmp_path / "run").inputs
    assert [each.name for each in own.judge.criteria] == ["behaviour"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"concepts": ["world/see"]}, "see"),
        ({"concepts": ["none.yaml"]}, "none.yaml"),
        ({"judge": "oracel"}, "unknown judge 'oracel'; did you mean 'oracle'"),
        ({"judges": ["oracle"]}, "names a judge twice"),
        ({"saes": {}}, "'diffmean' needs at"),
        ({"saes": {}, "methods": ["sae_decoder"]}, "'sae_decoder' needs an SAE"),
        ({"prompts": ["one"]}, "give two or more"),
        ({"prompts": "none.txt"}, "none.txt"),
        ({"texts": "none.txt"}, "none.txt"),
        ({"methods": [{"spec": "none.yaml", "name": "mine"}]}, "'mine': there is no file none.yaml"),
        ({"concepts": {"tasks": "nowhere"}}, "no criteria.json below nowhere"),
        ({"prompts": []}, "prompts are half to choose by, half to report on, got 0; give two or more"),
        ({"model": {"name": "world", "dtype": "float33"}}, "unknown dtype of the model 'float33'"),
        ({"model": {"name": "world", "device": "banana"}}, "model: device is a device such as cpu or cuda:0"),
    ],
)
def test_what_cannot_be_is_refused_before_a_model_is_loaded(tmp_path, changes, said):
    with pytest.raises(InputError) as caught:
        prepare(small(**changes), tmp_path / "run")
    assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "content", "changes", "said"),
    [
        ("p.txt", "", {"prompts": "p.txt"}, "p.txt"),
        ("p.txt", "\n \n", {"prompts": "p.txt"}, "p.txt"),
        ("t.txt", "", {"texts": "t.txt"}, "t.txt"),
        ("m.yaml", "version: 1\ninterventions: []\n", {"methods": [{"spec": "m.yaml", "name": "mine"}]},
         "the method 'mine': "),
        ("m.yaml", "- 1\n", {"methods": [{"spec": "m.yaml"}]}, "the method 'm': "),
    ],
)  # fmt: skip
def test_a_file_that_holds_nothing_of_use_is_refused(tmp_path, monkeypatch, name, content, changes, said):
    (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        prepare(small(**changes), tmp_path / "run")
    assert said in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)


def test_what_comes_from_the_network_is_said(tmp_path):
    config = small(model="google/gemma-2-2b", saes={"s": "google/gemma-scope-2b-pt-res/layer_12"})
    needs = prepare(config, tmp_path).inputs.needs
    assert needs == ("the model google/gemma-2-2b", "the SAE google/gemma-scope-2b-pt-res/layer_12")
    assert prepare(small(), tmp_path).inputs.needs == ()
