"""Every kind of request, steered as saesteer steers, and the plain model bit by bit where nothing is."""

import pytest
import torch

from saesteer.errors import InputError
from saesteer.harness import Asked
from saesteer.harness.model import SteeredLM
from saesteer.model import Tokens
from saesteer.steering import Where, load_spec, steer
from tests.harness.asking import PAIRS, PROMPTS, TEXTS, everything, rolling, scoring, writing
from tests.steering import tiny

PLACES = ["all", "prompt", "generated", "last", (1, 4)]


def saved(tmp_path, spec, name="spec.yaml"):
    spec.save(tmp_path / name)
    return tmp_path / name


@pytest.fixture
def path(tmp_path):
    return saved(tmp_path, tiny.direction(value=6.0))


def test_without_a_spec_and_at_strength_0_it_is_lm_evals_own_bit_by_bit(model, plain, path):
    expected = everything(plain)
    assert everything(model) == expected
    model.steer(Asked(path, 0.0))
    assert everything(model) == expected
    model.steer(Asked(path))
    for steered, of_plain in zip(everything(model), expected, strict=True):
        assert steered != of_plain


def alone(model, spec, context, continuation):
    """A request by itself, with no batch and no harness: ln p, and whether it is the greedy one."""
    ids = model.tok_encode(context) + model.tok_encode(continuation)
    context_ids = model.tok_encode(context) or [model.prefix_token_id]
    after = len(model.tok_encode(continuation))
    ids = (context_ids + ids[len(ids) - after :])[-(model.max_length + 1) :]
    prompt = torch.tensor([len(ids) - after])
    with steer(model.lm, spec):
        logits = model.lm.logits(Tokens.of([ids[:-1]]), prompt)[0]
    scores, target = logits.log_softmax(-1)[-after:], torch.tensor(ids[-after:])
    return float(scores.gather(-1, target[:, None]).sum()), bool((scores.argmax(-1) == target).all())


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("skip", [("bos", "special"), ()], ids=["without bos", "bos too"])
def test_a_request_is_scored_in_a_batch_as_alone(model, tmp_path, place, skip):
    spec = tiny.direction(value=6.0, where=Where(place, skip=skip))
    model.steer(Asked(saved(tmp_path, spec)))
    found = model.loglikelihood(scoring())
    for (value, greedy), pair in zip(found, PAIRS, strict=True):
        expected = alone(model, spec, *pair)
        assert (value, greedy) == (pytest.approx(expected[0], abs=1e-4), expected[1])


@pytest.mark.parametrize("place", PLACES[:3])
def test_a_whole_text_is_scored_window_by_window(model, tmp_path, place):
    spec = tiny.direction(value=6.0, where=Where(place))
    model.steer(Asked(saved(tmp_path, spec)))
    found = model.loglikelihood_rolling(rolling())
    for value, text in zip(found[:2], TEXTS[:2], strict=True):
        assert value == pytest.approx(alone(model, spec, "", text)[0], abs=1e-4)
    assert len(model.tok_encode(TEXTS[2])) > 2 * model.max_length  # several windows
    one = model.loglikelihood_rolling(rolling(TEXTS[2:]))
    assert one[0] == pytest.approx(found[2], abs=1e-3)


@pytest.mark.parametrize("place", PLACES[:4], ids=str)
def test_texts_are_written_as_saesteer_writes_them(model, tmp_path, place):
    spec = tiny.direction(value=6.0, where=Where(place))
    model.steer(Asked(saved(tmp_path, spec)))
    prompts = [[model.prefix_token_id, *model.tok_encode(each)] for each in PROMPTS]
    with steer(model.lm, spec):
        expected = [
            model.lm.generate(Tokens.of([ids]), max_new_tokens=8, temperature=0, stop=False).rows[0].ids
            for ids in prompts
        ]
    asked = writing([model.tokenizer.decode(ids) for ids in prompts], until=["never said"])
    written = model.generate_until(asked)
    for text, ids in zip(written, expected, strict=True):
        end = ids.index(2) if 2 in ids else len(ids)
        assert text == model.tok_decode(list(ids[:end]))


def test_where_more_rows_than_requests_are_computed_each_beam_is_steered(model, path):
    model.steer(Asked(path))
    found = model.generate_until(writing(num_beams=2))
    model.steer(Asked())
    assert found != model.generate_until(writing(num_beams=2))


def test_the_batch_size_may_be_found_automatically(folder, model, path):
    auto = SteeredLM(str(folder), spec=str(path), device="cpu", dtype="float32", batch_size="auto:2")
    model.steer(Asked(path))
    for one, other in zip(everything(auto), everything(model), strict=True):
        if isinstance(one[0], str):
            assert one == other
        else:
            torch.testing.assert_close(torch.tensor(one), torch.tensor(other), rtol=1e-5, atol=1e-4)
    assert auto.batch_sizes == {0: 64}


def test_half_precision_softmax_and_autocast_are_taken_from_lm_evals_arguments(folder, path):
    half = SteeredLM(
        str(folder), spec=str(path), device="cpu", mixed_precision_dtype="bfloat16", softmax_dtype="float32"
    )
    whole = SteeredLM(str(folder), spec=str(path), device="cpu")
    one, other = (each.loglikelihood(scoring()) for each in (half, whole))
    assert one != other
    assert [value for value, _ in one] == pytest.approx([value for value, _ in other], rel=0.05)


def test_two_settings_of_one_model_do_not_mix(model, tmp_path, path):
    """As a sweep does it: the model stays, the steering changes."""
    model.steer(Asked(path))
    first = model.loglikelihood(scoring())
    model.steer(Asked(path, -6.0))
    second = model.loglikelihood(scoring())
    model.steer(Asked(path))
    assert model.loglikelihood(scoring()) == first != second


def test_a_failure_leaves_nothing_behind(model, path):
    model.steer(Asked(path))
    with pytest.raises(InputError, match="continuation 1 to 64"):
        model.loglikelihood(scoring([("the", " cat" * 70)]))
    assert tiny.hooks(model.lm) == 0


def test_results_say_where_they_come_from(model, path):
    model.steer(Asked(path, 3.0))
    found = model.get_model_info()["saesteer"]
    spec = load_spec(path).with_strength(3.0)
    assert found["spec"]["fingerprint"] == spec.fingerprint()
    assert found["spec"]["strength"] == 3.0 and found["spec"]["file"] == "spec.yaml"
    assert found["spec"]["interventions"] == spec.table().splitlines()
    assert (found["steered"], found["model"]) == (True, model.lm.fingerprint())
    assert found["versions"]["torch"] == torch.__version__
    model.steer(Asked(path, 0.0))
    assert model.get_model_info()["saesteer"]["steered"] is False
    model.steer(Asked())
    assert model.get_model_info()["saesteer"]["spec"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trust_remote_code": True}, "trust_remote_code=True would run code"),
        ({"peft": "x"}, "peft is not steered"),
        ({"parallelize": True}, "parallelize is not steered"),
        ({"base_name": "x"}, "pretrained and base_name name a model each"),
        ({"spec": "a.yaml", "csv_path": "b.csv"}, "spec and csv_path name a spec each"),
        ({"strength": 2.0}, "strength, positions and skip are of a spec"),
        ({"spec": "a.yaml", "strength": "much"}, "strength is a finite number, got 'much'"),
        ({"spec": "a.yaml", "positions": "nowhere"}, "positions"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_loaded(folder, arguments, message):
    with pytest.raises(InputError, match=message):
        SteeredLM(str(folder), device="cpu", **arguments)


def test_a_spec_of_another_model_is_refused_unless_forced(folder, tmp_path):
    from dataclasses import replace

    from saesteer.steering import ModelRef

    spec = replace(tiny.direction(value=6.0), model=ModelRef(fingerprint="0" * 32))
    path = saved(tmp_path, spec)
    with pytest.raises(InputError, match="was made for the model"):
        SteeredLM(str(folder), spec=str(path), device="cpu")
    assert SteeredLM(str(folder), spec=str(path), device="cpu", force=True).steered.active


def test_code_is_not_fetched_for_writing_either(model):
    with pytest.raises(InputError, match="custom_generate='someone/sampler' would run code"):
        model.generate_until(writing(custom_generate="someone/sampler"))


@pytest.mark.filterwarnings("default")
def test_answers_of_another_setting_are_not_taken_from_lm_evals_cache(model, path, tmp_path):
    from lm_eval.api.model import CachingLM

    model.steer(Asked(path))
    first = CachingLM(model, str(tmp_path / "steered.db")).loglikelihood(scoring())
    assert CachingLM(model, str(tmp_path / "steered.db")).loglikelihood(scoring()) == first
    for asked in (Asked(), Asked(path, 1.0)):
        model.steer(asked)
        with pytest.raises(InputError, match="of another spec or strength"):
            CachingLM(model, str(tmp_path / "steered.db"))
    model.steer(Asked())
    plain = CachingLM(model, str(tmp_path / "plain.db")).loglikelihood(scoring())
    assert plain != first
    model.steer(Asked(path))
    with pytest.raises(InputError, match="give --use_cache another path"):
        CachingLM(model, str(tmp_path / "plain.db"))
