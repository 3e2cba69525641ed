"""Steering a model: rows, isolation and exactness, the rules of the spec on real models."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
import torch

from saesteer.errors import BadSpec, InputError, MissingHookpoint, ShapeMismatch
from saesteer.model import Tokens
from saesteer.steering import (
    Intervention,
    ModelRef,
    SAERef,
    SteeringSpec,
    Strength,
    TensorRef,
    When,
    Where,
    compile_edits,
    steer,
)
from tests.steering import tiny

TEXTS = ["the cat sat", "a dog ran on the old mat", "the sea", "and then a cat swam in the wet sea ."]
EVERY = {
    "add": tiny.direction(op="add"),
    "project_out": tiny.direction(op="project_out", value=1.0),
    "set_projection": tiny.direction(op="set_projection"),
    "set_latents": tiny.latents("set_latents"),
    "add_latents": tiny.latents("add_latents"),
    "add_active": tiny.latents("add_latents", only_active=True),
    "scale_latents": tiny.latents("scale_latents"),
    "without_error": tiny.latents("set_latents", keep_error=False),
    "splice": tiny.latents("splice"),
    "rotate": tiny.direction(op="rotate", value=30.0),
    "low_rank": tiny.low_rank(),
    "biased_out": tiny.direction(op="project_out", value=1.0, bias=5),
    "biased_set": tiny.direction(op="set_projection", bias=5),
    "one_head": tiny.direction("layers.1.attn.heads", width=8, head=1),
    "swap": tiny.reweighted(),
    "weight": tiny.reweighted("weight", keep_error=False),
}


def logits(lm, tokens, spec=None, **options):
    if spec is None:
        return lm.logits(tokens)
    with steer(lm, spec, **options):
        return lm.logits(tokens)


def close(a, b, tolerance=1e-4):
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.fixture(params=["left", "right"])
def tokens(lm, request) -> Tokens:
    return lm.tokenize(TEXTS, side=request.param)


# Exactness


@pytest.mark.parametrize("name", EVERY)
def test_off_is_the_plain_model_bit_by_bit(lm, sae, tokens, name):
    plain = logits(lm, tokens)
    spec = EVERY[name]
    assert not torch.equal(logits(lm, tokens, spec, saes={"s": sae}), plain)
    assert torch.equal(logits(lm, tokens, spec.with_strength(0.0), saes={"s": sae}), plain)
    assert torch.equal(logits(lm, tokens, spec, saes={"s": sae}, strengths=[0.0] * 4), plain)
    assert torch.equal(logits(lm, tokens, [None] * 4), plain)
    assert torch.equal(logits(lm, tokens, [None, None], strengths=[1.0, 2.0]), plain)
    assert torch.equal(logits(lm, tokens), plain)  # and nothing is left behind


@pytest.mark.parametrize("name", EVERY)
def test_rows_that_are_off_keep_their_bits_beside_others(lm, sae, tokens, name):
    plain = logits(lm, tokens)
    spec = EVERY[name]
    mixed = logits(lm, tokens, spec, saes={"s": sae}, strengths=[0.0, 2.0, 0.0, -1.0])
    for row, off in enumerate([True, False, True, False]):
        assert torch.equal(mixed[row], plain[row]) is off
    mixed = logits(lm, tokens, [None, spec, None, None], saes={"s": sae})
    for row, off in enumerate([True, False, True, True]):
        assert torch.equal(mixed[row], plain[row]) is off


def test_unselected_rows_survive_an_overflow_beside_them(lm, tokens):
    """Twice 3e38 is infinite, and zero times that, which a mask would add, is NaN."""
    plain = lm.record(tokens, ["layers.1"])["layers.1"]
    half = SteeringSpec(
        (Intervention("layers.1", "add", tensor="v", normalize=False),),
        tensors={"v": TensorRef.of(torch.full((16,), 3e38))},
    )
    huge = tiny.join(half, half)
    with steer(lm, [huge, None, huge, None]):
        found = lm.record(tokens, ["layers.1"])["layers.1"]
    assert found[0].isinf().any() and found[2].isinf().any()
    assert torch.equal(found[1], plain[1]) and torch.equal(found[3], plain[3])


@pytest.mark.parametrize("sae_dtype", tiny.DTYPES)
@pytest.mark.parametrize("dtype", tiny.DTYPES)
@pytest.mark.parametrize("name", EVERY)
def test_every_op_works_in_low_precision(name, dtype, sae_dtype):
    lm, sae = tiny.llama(dtype=dtype), tiny.sae(dtype=sae_dtype)
    tokens = lm.tokenize(TEXTS, side="left")
    plain = logits(lm, tokens)
    found = logits(lm, tokens, EVERY[name], saes={"s": sae})
    assert found.dtype == plain.dtype and found[tokens.mask].isfinite().all()
    assert not torch.equal(found, plain)
    assert torch.equal(logits(lm, tokens, EVERY[name], saes={"s": sae}, strengths=[0.0] * 4), plain)
    assert lm.generate(["the cat"], max_new_tokens=2, seed=0).rows


def test_a_strength_beyond_float16_is_refused():
    lm = tiny.llama(dtype="float16")
    with (
        pytest.raises(BadSpec, match=r"interventions\[0\].strength.value: 1e\+06 times"),
        steer(lm, tiny.direction(value=1e6)),
    ):
        pass


# Rows


@pytest.mark.parametrize("name", EVERY)
def test_strengths_per_row_equal_runs_of_their_own(lm, sae, tokens, name):
    spec, strengths = EVERY[name], [0.5, -1.0, 2.0, 0.0]
    together = logits(lm, tokens, spec, saes={"s": sae}, strengths=strengths)
    for row, strength in enumerate(strengths):
        alone = logits(lm, tokens[row : row + 1], spec.with_strength(strength), saes={"s": sae})
        mask = tokens.mask[row]
        close(together[row][mask], alone[0][mask])


def test_specs_per_row_equal_runs_of_their_own(lm, sae):
    specs = [None, *EVERY.values(), tiny.join(EVERY["project_out"], EVERY["add"], EVERY["set_latents"])]
    tokens = lm.tokenize((TEXTS * 5)[: len(specs)], side="left")
    together = logits(lm, tokens, specs, saes={"s": sae})
    for row, spec in enumerate(specs):
        alone = logits(lm, tokens[row : row + 1], spec, saes={"s": sae})
        mask = tokens.mask[row]
        close(together[row][mask], alone[0][mask])


@pytest.mark.parametrize("op", ["add", "project_out", "set_projection"])
def test_rows_do_not_share_directions(lm, op):
    tokens = lm.tokenize(TEXTS[:1] * 3)
    specs = [tiny.direction(op=op, value=1.0, seed=seed) for seed in (1, 2, 1)]
    together = logits(lm, tokens, specs)
    for row, spec in enumerate(specs):
        close(together[row], logits(lm, tokens[:1], spec)[0])
    assert len(compile_edits(lm, specs)[0]) == (1 if op == "add" else 2)


def test_specs_and_strengths_together(lm, tokens):
    specs = [tiny.direction(seed=i) for i in range(4)]
    together = logits(lm, tokens, specs, strengths=[1.0, 2.0, 3.0, 0.0])
    scaled = [spec.with_strength(s) for spec, s in zip(specs, [1.0, 2.0, 3.0, 0.0], strict=True)]
    assert torch.equal(together, logits(lm, tokens, scaled))
    edits, requests = compile_edits(lm, specs, [1.0, 2.0, 3.0, 0.0])
    assert (len(edits), requests) == (1, 4)  # four directions are one table


def test_sixteen_strengths_are_one_batch(lm):
    grid = [0.25 * i for i in range(16)]
    spec = tiny.direction()
    edits, requests = compile_edits(lm, spec, grid)
    assert (len(edits), requests) == (1, 16)
    tokens = lm.tokenize(["the cat sat"] * 16)
    together = logits(lm, tokens, spec, strengths=grid)
    for row, strength in enumerate(grid):
        close(together[row], logits(lm, tokens[:1], spec.with_strength(strength))[0])


def test_samples_of_a_request_share_its_strength(lm):
    prompts, spec = ["the cat sat on", "a dog", "the old"], tiny.direction(value=8.0)
    with steer(lm, spec, strengths=[0.0, 1.0, -8.0]):
        together = lm.generate(prompts, n=3, max_new_tokens=6, seed=5, stop=False)
    alone = []
    for number, strength in enumerate([0.0, 1.0, -8.0]):
        with steer(lm, spec.with_strength(strength)):
            made = lm.generate(prompts, n=3, max_new_tokens=6, seed=5, stop=False)
        alone += [row for row in made.rows if row.request == number]
    assert [row.ids for row in together.rows] == [row.ids for row in alone]
    with steer(lm, spec, strengths=[0.0, 0.0, 0.0]):
        plain = lm.generate(prompts, n=3, max_new_tokens=6, seed=5, stop=False)
    assert [row.ids for row in plain.rows[3:]] != [row.ids for row in together.rows[3:]]


def test_num_return_sequences_of_hugging_face_keep_their_request(lm):
    tokens = lm.tokenize(["the cat sat on", "a dog"], side="left")
    spec = tiny.direction(value=30.0)

    def generate(**options):
        made = lm.hf.generate(
            input_ids=tokens.ids,
            attention_mask=tokens.mask.long(),
            max_new_tokens=5,
            pad_token_id=0,
            eos_token_id=None,
            **options,
        )
        return made[:, tokens.ids.shape[1] :]

    beams = {"num_beams": 3, "num_return_sequences": 3, "do_sample": False}
    plain = generate(**beams)
    with steer(lm, spec, strengths=[0.0, 1.0]):
        found = generate(**beams)
    with steer(lm, spec, strengths=[1.0, 1.0]):
        both = generate(**beams)
    assert torch.equal(found[:3], plain[:3]) and not torch.equal(found[3:], plain[3:])
    assert torch.equal(found[3:], both[3:]) and not torch.equal(both[:3], plain[:3])


@pytest.mark.parametrize("requests", [3, 5])
def test_another_number_of_rows_is_an_error(lm, requests):
    with (
        steer(lm, tiny.direction(), strengths=[1.0] * requests),
        pytest.raises(InputError, match=f"4 rows cannot be shared out evenly among the {requests}"),
    ):
        lm.logits(lm.tokenize(TEXTS))


def test_a_row_of_no_request_is_an_error(lm):
    tokens = lm.tokenize(TEXTS)
    with (
        steer(lm, tiny.direction(), strengths=[1.0] * 4),
        lm.rows([0, 1, 2, 7]),
        pytest.raises(InputError, match="names request 7 and the steering has 4"),
    ):
        lm.hf(input_ids=tokens.ids, attention_mask=tokens.mask.long())


def test_reordered_rows_keep_their_strength(lm):
    tokens = lm.tokenize(["the cat sat"] * 4)
    order = [2, 0, 3, 1]
    with steer(lm, tiny.direction(), strengths=[0.0, 1.0, 2.0, 3.0]):
        straight = lm.hf(input_ids=tokens.ids).logits
        with lm.rows(order):
            shuffled = lm.hf(input_ids=tokens.ids).logits
    close(shuffled, straight[order])


# Positions


def test_the_very_vector_is_added_and_only_to_content(lm, tokens):
    spec = tiny.direction(value=3.0)
    plain = lm.record(tokens, ["layers.1"])["layers.1"]
    with steer(lm, spec):
        found = lm.record(tokens, ["layers.1"])["layers.1"]
    content = tokens.mask & (tokens.ids != 1)
    v = tiny.vector()
    close((found - plain)[content], (3.0 * v / v.norm()).expand(int(content.sum()), -1))
    assert torch.equal(found[~content], plain[~content])


def test_padding_is_never_steered_though_it_is_also_bos(gpt2):
    """GPT-2: pad = eos = bos, so no id tells them apart; the [bos] within a text is content."""
    ids = [[1, 5, 6, 7], [1, 5], [1, 5, 1, 7, 8]]
    left, right = Tokens.of(ids, "left", fill=1), Tokens.of(ids, "right", fill=1)
    spec = tiny.direction(at="layers.1", where=Where(skip=("bos",)))
    seen = {}

    class Look:
        hookpoint = "layers.1"

        def __call__(self, x, at):
            seen["x"] = x
            return x

    def raw(tokens):
        with gpt2.intervening([Look()]):
            gpt2.logits(tokens)
        return seen["x"]

    for tokens in (left, right):
        plain = raw(tokens)
        with steer(gpt2, spec):
            found = raw(tokens)
        moved = (found != plain).any(-1)
        expected = tokens.mask.clone()
        for row, mask in enumerate(tokens.mask):
            expected[row, int(mask.int().argmax())] = (
                False  # the first content is the BOS, wherever it stands
            )
        assert torch.equal(moved, expected)
    assert int(expected.sum()) == 3 + 1 + 4


def test_left_and_right_padding_steer_alike(gpt2):
    ids = [[1, 5, 6, 7], [1, 5], [1, 5, 9, 7, 8]]
    left, right = Tokens.of(ids, "left", fill=1), Tokens.of(ids, "right", fill=1)
    spec = tiny.direction(where=Where("last"))
    a, b = logits(gpt2, left, spec), logits(gpt2, right, spec)
    for row in range(3):
        close(a[row][left.mask[row]], b[row][right.mask[row]])


@pytest.mark.parametrize("positions", ["all", "prompt", "generated", "last", "first", (2, 5)])
def test_a_cache_changes_nothing_about_positions(lm, positions):
    """Generated step by step, or read again as a whole with the same prompt length."""
    spec = tiny.direction(value=6.0, where=Where(positions))
    # The last content so far is every new token, which in a whole text goes by the name of generated.
    whole = tiny.direction(value=6.0, where=Where("generated")) if positions == "last" else spec
    with steer(lm, spec):
        made = lm.generate(
            ["the cat sat", "a dog ran on the mat"], max_new_tokens=6, temperature=0, stop=False
        )
    prompts = tiny.prompt_ids(lm, ["the cat sat", "a dog ran on the mat"])
    rows = [[*prompts[row.request], *row.ids] for row in made.rows]
    with steer(lm, whole):
        again = lm.logits(Tokens.of(rows), prompt=torch.tensor([len(each) for each in prompts]))
    for row, prompt in zip(made.rows, prompts, strict=True):
        start = len(prompt) - 1
        assert again[row.request, start : start + 6].argmax(-1).tolist() == list(row.ids)


# Order


def test_interventions_at_one_hookpoint_compose_in_order(lm, tokens):
    setting, adding = tiny.direction(op="set_projection", value=5.0), tiny.direction(value=2.0)
    first = logits(lm, tokens, tiny.join(setting, adding))
    second = logits(lm, tokens, tiny.join(adding, setting))
    assert not torch.allclose(first, second)
    close(
        second, logits(lm, tokens, setting), 1e-3
    )  # setting it last undoes the addition along the same line
    close(first, logits(lm, tokens, setting.with_strength(7.0)), 1e-3)


def test_adds_at_one_hookpoint_are_all_there(lm, tokens):
    both = logits(lm, tokens, tiny.join(tiny.direction(seed=1), tiny.direction(seed=2, value=3.0)))
    v1, v2 = tiny.vector(1), tiny.vector(2)
    total = SteeringSpec(
        (Intervention("layers.1", "add", tensor="v", normalize=False),),
        tensors={"v": TensorRef.of(2.0 * v1 / v1.norm() + 3.0 * v2 / v2.norm())},
    )
    close(both, logits(lm, tokens, total))


def test_add_latents_without_the_encoder_is_the_same_edit(lm, sae, tokens):
    """A sum of decoder rows against the long way, which only_active takes; here every latent is active."""
    everywhere = tiny.sae()
    everywhere.b_enc += 1000.0
    short = logits(lm, tokens, tiny.latents("add_latents"), saes={"s": everywhere})
    long = logits(lm, tokens, tiny.latents("add_latents", only_active=True), saes={"s": everywhere})
    close(short, long, 2e-3)


# Isolation


def test_two_threads_steer_differently_at_once(lm, tokens):
    specs = [tiny.direction(seed=1, value=4.0), tiny.direction(seed=2, value=4.0), None]
    expected = [logits(lm, tokens, spec) for spec in specs]
    ready = threading.Barrier(3)

    def work(number):
        ready.wait()
        return all(torch.equal(logits(lm, tokens, specs[number]), expected[number]) for _ in range(15))

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(3))) == [True, True, True]
    assert tiny.hooks(lm) == 0


def test_one_steering_may_be_used_by_two_threads(lm, sae):
    """Gates keep what they saw apart by thread."""
    spec = tiny.direction(value=5.0, when=When("s", "layers.0", 3, 0.0))
    batches = [lm.tokenize(TEXTS[:2]), lm.tokenize(TEXTS)]
    expected = [logits(lm, each, spec, saes={"s": sae}) for each in batches]

    def work(number):
        return all(torch.equal(lm.logits(batches[number]), expected[number]) for _ in range(15))

    with steer(lm, spec, saes={"s": sae}), ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(copy_context().run, work, number) for number in range(2)]
        assert [each.result() for each in futures] == [True, True]


def test_nothing_is_left_after_an_exception(lm, tokens):
    plain = logits(lm, tokens)
    with pytest.raises(RuntimeError, match="mine"), steer(lm, tiny.direction()):
        assert tiny.hooks(lm) > 0
        raise RuntimeError("mine")
    assert torch.equal(logits(lm, tokens), plain)
    assert tiny.hooks(lm) == 0


def test_an_exception_inside_a_hook_leaves_nothing(lm, tokens):
    plain = logits(lm, tokens)
    broken = tiny.sae()
    spec = tiny.latents("set_latents")
    with pytest.raises(RuntimeError), steer(lm, spec, saes={"s": broken}):
        broken.W_enc.data = broken.W_enc.data[:3]  # breaks in the middle of the forward pass
        lm.logits(tokens)
    assert tiny.hooks(lm) == 0
    assert torch.equal(logits(lm, tokens), plain)


def test_nested_steering_adds_up_and_ends_one_by_one(lm, tokens):
    plain = logits(lm, tokens)
    with steer(lm, tiny.direction(value=1.0)):
        outer = lm.logits(tokens)
        with steer(lm, tiny.direction(value=2.0)):
            close(lm.logits(tokens), logits(lm, tokens))
            inner = lm.logits(tokens)
        assert torch.equal(lm.logits(tokens), outer)
    close(inner, logits(lm, tokens, tiny.direction(value=3.0)))
    assert torch.equal(logits(lm, tokens), plain)


def test_the_model_is_not_changed(lm, tokens):
    before = {name: each.clone() for name, each in lm.hf.state_dict().items()}
    logits(lm, tokens, tiny.join(*(tiny.direction(seed=i) for i in range(3))))
    assert all(torch.equal(before[name], each) for name, each in lm.hf.state_dict().items())


# What does not fit


def test_another_model_is_refused_unless_forced(lm, tokens):
    made_for = tiny.direction()
    ours, other = lm.fingerprint(), tiny.llama(seed=1)
    spec = SteeringSpec(made_for.interventions, made_for.tensors, model=ModelRef("llama-0", None, ours))
    logits(lm, tokens, spec)
    with pytest.raises(BadSpec, match=rf"^model.fingerprint: .*{ours[:12]} \(llama-0\) but llama-1 is"):
        logits(other, tokens, spec)
    assert torch.equal(logits(other, tokens, spec, force=True), logits(other, tokens, made_for))


def test_widths_are_checked(lm, tokens):
    narrow = SteeringSpec(
        (Intervention("layers.1", "add", tensor="v"),), tensors={"v": TensorRef.of(tiny.vector(0, 12))}
    )
    with pytest.raises(
        ShapeMismatch, match=r"^interventions\[0\].tensor: 'v' is 12 wide but layers.1 of .* 16"
    ):
        logits(lm, tokens, narrow)
    with pytest.raises(ShapeMismatch, match=r"^interventions\[0\].sae: SAE d_in is 12 .* gives 16"):
        logits(lm, tokens, tiny.latents(), saes={"s": tiny.sae(d_in=12)})
    with pytest.raises(MissingHookpoint, match=r"^interventions\[0\].hookpoint: .*layers are 0 to 2"):
        logits(lm, tokens, tiny.direction(at="layers.9"))
    with pytest.raises(BadSpec, match=r"^interventions\[0\].sae: latent 99 is beyond the 24 latents"):
        logits(lm, tokens, tiny.latents(pairs=[[99, 1.0]]), saes={"s": tiny.sae()})


def test_the_right_sae_is_found_and_a_wrong_one_refused(lm, sae, tokens, tmp_path):
    sae.save(tmp_path / "sae")
    spec = tiny.latents()
    named = SteeringSpec(spec.interventions, saes={"s": SAERef(str(tmp_path / "sae"), sae.fingerprint())})
    assert torch.equal(logits(lm, tokens, named), logits(lm, tokens, spec, saes={"s": sae}))
    with pytest.raises(BadSpec, match=r"^saes.s.sha256: .* load the SAE that the spec means"):
        logits(lm, tokens, named, saes={"s": tiny.sae(seed=1)})
    logits(lm, tokens, named, saes={"s": tiny.sae(seed=1)}, force=True)
    with pytest.raises(BadSpec, match=r"^saes.s.source: is missing; hand the SAE over as saes=\{'s': sae\}"):
        logits(lm, tokens, spec)
    with pytest.raises(InputError, match=r"^saes.s.source: .*nowhere"):
        logits(lm, tokens, SteeringSpec(spec.interventions, saes={"s": SAERef("nowhere")}))
    foreign = tiny.sae(metadata={"model_fingerprint": "0" * 32})
    with pytest.raises(
        InputError, match=r"^interventions\[0\].sae: the SAE .* was trained on the model 0000"
    ):
        logits(lm, tokens, spec, saes={"s": foreign})
    logits(lm, tokens, spec, saes={"s": foreign}, force=True)


def test_an_sae_of_another_hookpoint_is_refused_unless_forced(lm, tokens):
    away = tiny.sae(hook_name="blocks.2.hook_resid_post")
    added = SteeringSpec(
        (Intervention("layers.1", "add", tensor="w"),),
        tensors={"w": TensorRef(sae="s", latents=((3, 1.0),))},
        saes={"s": SAERef()},
    )
    gated = tiny.direction(when=When("s", "layers.1", 3, 0.0))
    for field, spec in {"sae": tiny.latents(), "tensor": added, "when.sae": gated}.items():
        with pytest.raises(
            InputError,
            match=rf"^interventions\[0\].{field}: the SAE was trained at layers.2 but is used at layers.1",
        ):
            logits(lm, tokens, spec, saes={"s": away})
        forced = logits(lm, tokens, spec, saes={"s": away}, force=True)
        assert torch.equal(forced, logits(lm, tokens, spec, saes={"s": tiny.sae()}))
    logits(lm, tokens, tiny.latents(at="layers.2"), saes={"s": away})


@pytest.mark.parametrize(
    ("spec", "strengths", "message"),
    [
        (tiny.direction(), [1.0, float("nan")], r"^strengths\[1\]: must be finite, got nan"),
        (tiny.direction(), [1.0, "2"], r"^strengths\[1\]: must be a number, got '2'"),
        (tiny.direction(), [None], r"^strengths\[0\]: must be a number, got None"),
        (tiny.direction(), [float("inf")], r"^strengths\[0\]: must be finite, got inf"),
        (tiny.direction(), [], "strengths: must hold one per request"),
        (tiny.direction(), 0.5, "strengths: must be a list, one per request, got 0.5"),
        ([], None, "specs: must hold one per request"),
        ([tiny.direction()], [1.0, 2.0], "strengths: must be one per request, got 2 for 1 specs"),
        ([{"op": "add"}], None, r"specs\[0\]: must be a SteeringSpec or None, got dict"),
    ],
)
def test_bad_arguments(lm, spec, strengths, message):
    with pytest.raises(BadSpec, match=message), steer(lm, spec, strengths=strengths):
        pass


def test_a_calibrated_unit_has_one_value_only(lm, tokens):
    spec = tiny.direction(unit="raw")
    each = spec.interventions[0]
    kl = SteeringSpec(
        (Intervention(each.hookpoint, "add", tensor="v", strength=Strength(0.5, "kl", resolved=2.0)),),
        tensors=spec.tensors,
    )
    assert torch.equal(logits(lm, tokens, kl), logits(lm, tokens, spec.with_strength(2.0)))
    with pytest.raises(BadSpec, match=r"^interventions\[0\].strength.unit: 'kl' has no fixed factor"):
        logits(lm, tokens, kl, strengths=[1.0] * 4)
    assert torch.equal(logits(lm, tokens, kl, strengths=[0.0] * 4), logits(lm, tokens))


def test_the_direction_of_latents_is_their_decoder_rows(lm, sae, tokens):
    spec = SteeringSpec(
        (Intervention("layers.1", "add", tensor="w", normalize=False, strength=Strength(2.0)),),
        tensors={"w": TensorRef(sae="s", latents=((3, 1.0), (7, -0.5)))},
        saes={"s": SAERef()},
    )
    total = sae.W_dec[3] - 0.5 * sae.W_dec[7]
    same = SteeringSpec(spec.interventions, tensors={"w": TensorRef.of(total)})
    close(logits(lm, tokens, spec, saes={"s": sae}), logits(lm, tokens, same), 1e-6)
