"""Sweeps on a tiny model: every sample there once, the same whatever the batches, nothing kept half-done."""

from dataclasses import replace

import pytest

from saesteer.errors import InputError, SaesteerError
from saesteer.evaluation import (
    Arm,
    SweepResult,
    baseline,
    evaluate,
    perplexity,
    split,
    sweep,
    sweep_prefixes,
)
from saesteer.judges import Judgement
from saesteer.text import Concept

from .conftest import CONCEPT, PROMPTS, WordJudge

STRENGTHS = (0.0, 2.0, 30.0)


@pytest.fixture(scope="module")
def swept(lm, spec) -> SweepResult:
    return sweep(lm, spec, CONCEPT, STRENGTHS, PROMPTS, 3, WordJudge(), 1, 6)


def test_every_strength_prompt_and_sample_is_a_row(swept):
    found = {(row.strength, row.prompt, row.sample) for row in swept.rows}
    assert found == {(s, p, n) for s in STRENGTHS for p in PROMPTS for n in range(3)}
    assert len(swept.rows) == len(found)
    assert not swept.failed


def test_rows_of_a_strength_are_steered_by_it(swept):
    by_strength = {
        each.setting.strength: each.figures.behaviour.estimate
        for each in swept.summary
        if each.half == "test"
    }
    assert by_strength[30.0] > by_strength[0.0] + 0.3


def test_a_prompt_is_in_one_half(swept):
    halves = {
        row.prompt: {other.half for other in swept.rows if other.prompt == row.prompt} for row in swept.rows
    }
    assert sorted(map(list, halves.values())) == [["selection"]] * 2 + [["test"]] * 2
    assert {prompt: half.pop() for prompt, half in halves.items()} == split(PROMPTS)


def test_one_call_to_the_judge(lm, spec):
    judge = WordJudge()
    sweep(lm, spec, CONCEPT, (0.0, 1.0), PROMPTS, 2, judge, max_new_tokens=3)
    assert [len(call) for call in judge.calls] == [16]


def test_nll_is_of_the_model_without_steering(lm, swept):
    strong = [row for row in swept.rows if row.strength == 30.0][:4]
    for row in strong:
        assert row.perplexity == pytest.approx(perplexity(lm, [row.text], [row.prompt]), rel=1e-5)


def test_the_same_seed_gives_the_same_rows_and_another_does_not(lm, spec, swept):
    again = sweep(lm, spec, CONCEPT, STRENGTHS, PROMPTS, 3, WordJudge(), 1, 6)
    other = sweep(lm, spec, CONCEPT, STRENGTHS, PROMPTS, 3, WordJudge(), 2, 6)
    assert again == swept
    assert [row.text for row in other.rows] != [row.text for row in swept.rows]
    assert [row.half for row in other.rows] == [row.half for row in swept.rows]


def test_a_small_batch_holds_the_same_samples(lm, spec, swept):
    small = sweep(lm, spec, CONCEPT, STRENGTHS, PROMPTS, 3, WordJudge(), 1, 6, batch=5)
    assert [(r.strength, r.prompt, r.sample) for r in small.rows] == [
        (r.strength, r.prompt, r.sample) for r in swept.rows
    ]
    strong = [row.behaviour for row in small.rows if row.strength == 30.0]
    assert sum(strong) / len(strong) > 0.6


def test_batches_do_not_repeat_each_other(lm):
    found = baseline(lm, CONCEPT, PROMPTS, 8, WordJudge(), max_new_tokens=6, batch=1)
    assert len({row.text for row in found.rows if row.prompt == PROMPTS[0]}) > 4


def test_candidates_are_swept_together_each_by_its_own_spec(lm, spec):
    vector = next(iter(spec.tensor_values().values()))
    turned = replace(spec, tensors={"v": type(spec.tensors["v"])(value=-vector)})
    found = sweep(
        lm, {"to": spec, "away": turned}, CONCEPT, (30.0,), PROMPTS, 4, WordJudge(), max_new_tokens=5
    )
    behaviour = {
        name: sum(row.behaviour for row in found.where(variant=name).rows) / 16 for name in ("to", "away")
    }
    assert behaviour["to"] > 0.6 and behaviour["away"] < 0.2


def test_half_of_the_prompts_alone(lm, spec):
    found = sweep(lm, spec, CONCEPT, (1.0,), PROMPTS, 2, WordJudge(), max_new_tokens=2, only="test")
    assert {row.prompt for row in found.rows} == {p for p, half in split(PROMPTS).items() if half == "test"}


def test_a_prefix_is_written_and_not_judged(lm):
    judge = WordJudge()
    found = sweep_prefixes(
        lm, CONCEPT, PROMPTS, 2, judge, max_new_tokens=3, prefixes=("sea {prompt}", "{prompt} ship")
    )
    assert {row.variant for row in found.rows} == {"sea {prompt}", "{prompt} ship"}
    assert {row.strength for row in found.rows} == {0.0}
    judged = {request.prompt for request in judge.calls[0]}
    assert judged == set(PROMPTS) | {f"{prompt} ship" for prompt in PROMPTS}


def test_prefixes_change_the_texts(lm):
    found = sweep_prefixes(
        lm, CONCEPT, PROMPTS, 4, WordJudge(), max_new_tokens=6, prefixes=("{prompt}", "{prompt} ship")
    )
    texts = [[row.text for row in found.where(variant=v).rows] for v in ("{prompt}", "{prompt} ship")]
    assert texts[0] != texts[1]


def test_the_base_is_written_once_and_judged_for_every_concept(lm):
    other = Concept("numbers", "Numbers.", CONCEPT.negative, CONCEPT.positive)
    found = baseline(lm, [CONCEPT, other], PROMPTS, 3, WordJudge(), max_new_tokens=4)
    texts = [[row.text for row in found.where(concept=name).rows] for name in ("sea", "numbers")]
    assert texts[0] == texts[1] and len(texts[0]) == 12


class FailingJudge(WordJudge):
    """Fails where the text holds "bell", and says figures that are none for "ten"."""

    def one(self, request):
        if "bell" in request.text:
            return Judgement(None, None, error="refused")
        if "ten" in request.text:
            return Judgement(float("nan"), 0.5)
        return super().one(request)


def test_a_failed_judgement_is_never_data(lm):
    found = baseline(lm, CONCEPT, PROMPTS, 12, FailingJudge(), max_new_tokens=6)
    refused = [row for row in found.rows if "bell" in row.text]
    odd = [row for row in found.rows if "ten" in row.text and row not in refused]
    assert refused and odd
    assert all(row.error == "refused" and row.behaviour is None and not row.ok for row in refused)
    assert all(row.behaviour is None and "nan" in str(row.error) for row in odd)
    assert len(found.failed) == len(refused) + len(odd)
    for each in found.summary:
        rows = [row for row in found.rows if row.half == each.half and row.ok]
        assert each.figures.samples == len(rows)
        assert each.figures.behaviour.estimate == pytest.approx(
            sum(row.behaviour for row in rows) / len(rows)
        )


def test_a_judge_that_drops_answers_is_an_error(lm):
    class Short(WordJudge):
        def judge(self, requests):
            return super().judge(requests)[:-1]

    with pytest.raises(SaesteerError, match="answered 3 of 4"):
        baseline(lm, CONCEPT, PROMPTS, 1, Short(), max_new_tokens=2)


def test_a_finished_folder_is_reused(lm, spec, tmp_path):
    judge = WordJudge()
    first = sweep(lm, spec, CONCEPT, (1.0,), PROMPTS, 2, judge, max_new_tokens=3, folder=tmp_path)
    again = sweep(lm, spec, CONCEPT, (1.0,), PROMPTS, 2, judge, max_new_tokens=3, folder=tmp_path)
    assert len(judge.calls) == 1 and again == first and again.folder == first.folder
    assert (first.folder / "rows.parquet").is_file() and first.folder.parent == tmp_path
    assert not (first.folder / "texts.jsonl").exists()
    sweep(lm, spec, CONCEPT, (1.0, 2.0), PROMPTS, 2, judge, max_new_tokens=3, folder=tmp_path)
    assert len(judge.calls) == 2


def test_a_judge_of_other_settings_does_not_find_the_rows(lm, tmp_path):
    def base(judge):
        return baseline(lm, CONCEPT, PROMPTS, 1, judge, max_new_tokens=2, folder=tmp_path)

    one, other = WordJudge(), WordJudge(("bell",))
    assert base(one).folder != base(other).folder
    assert len(one.calls) == len(other.calls) == 1


def test_a_judge_without_fingerprint_keeps_no_folder(lm, tmp_path):
    class Nameless:
        judge = WordJudge().judge

    with pytest.raises(InputError, match=r"Nameless has no fingerprint\(\); add one"):
        baseline(lm, CONCEPT, PROMPTS, 1, Nameless(), folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_saes_or_arithmetic_are_other_sweeps(lm, tmp_path, monkeypatch):
    class Named:
        def __init__(self, name):
            self.fingerprint = lambda: name

    def base(**options):
        return baseline(
            lm, CONCEPT, PROMPTS, 1, WordJudge(), max_new_tokens=2, folder=tmp_path, **options
        ).folder

    folders = {base(), base(saes={"s": Named("a")}), base(saes={"s": Named("b")})}
    monkeypatch.setattr(lm.hf.config, "_attn_implementation", "eager")
    assert len(folders | {base()}) == 4


def test_the_judge_is_asked_before_anything_is_written(lm):
    steps: list[int] = []
    foreign = replace(CONCEPT, name="golden gate")
    with pytest.raises(InputError, match="embedded world"):
        baseline(lm, foreign, PROMPTS, 1, "oracle", progress=lambda done, total: steps.append(done))
    assert not steps


def test_a_killed_sweep_goes_on_with_the_batches_it_has(lm, spec, tmp_path):
    def killed(done: int, total: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    def run(progress):
        return sweep(
            lm, spec, CONCEPT, (0.0, 5.0), PROMPTS, 2, WordJudge(), max_new_tokens=3, batch=4,
            folder=tmp_path, progress=progress,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        run(killed)
    assert not list(tmp_path.glob("sweep-*"))
    steps: list[int] = []
    written = _count_batches(lm)
    with written as calls:
        resumed = run(lambda done, total: steps.append(done))
    assert steps == [4, 8, 12, 16] and len(calls) == 2  # two of four batches were there
    whole = sweep(lm, spec, CONCEPT, (0.0, 5.0), PROMPTS, 2, WordJudge(), max_new_tokens=3, batch=4)
    assert resumed.rows == whole.rows


class _count_batches:
    """Counts the calls of generate inside the block."""

    def __init__(self, lm) -> None:
        self.lm, self.calls = lm, []

    def __enter__(self):
        inner = self.lm.generate

        def counted(*args, **kwargs):
            self.calls.append(len(args[0]))
            return inner(*args, **kwargs)

        self.lm.generate = counted
        return self.calls

    def __exit__(self, *_):
        del self.lm.generate


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strengths": (float("nan"),)}, "finite"),
        ({"strengths": (float("inf"),)}, "finite"),
        ({"strengths": ()}, "at least one"),
        ({"strengths": (1.0, 1.0)}, "different"),
        ({"prompts": ()}, "not empty"),
        ({"prompts": ("  ",)}, "not empty"),
        ({"prompts": "one two"}, "put it in a list"),
        ({"prompts": ("one", "one")}, "stands twice"),
        ({"n": 0}, "n is at least 1"),
        ({"max_new_tokens": 0}, "max_new_tokens is at least 1"),
        ({"only": "both"}, "only is"),
    ],
)
def test_bad_input_is_refused(lm, spec, arguments, message):
    plain = {"strengths": (1.0,), "prompts": PROMPTS, "n": 1, "judge": WordJudge(), "max_new_tokens": 2}
    with pytest.raises(InputError, match=message):
        sweep(lm, spec, CONCEPT, **{**plain, **arguments})


def test_arms_are_refused_where_they_cannot_be_told_apart(lm, spec):
    with pytest.raises(InputError, match="share concept"):
        evaluate(lm, [Arm(CONCEPT, "x", spec), Arm(CONCEPT, "x", spec)], PROMPTS, 1, WordJudge())
    with pytest.raises(InputError, match="no spec"):
        Arm(CONCEPT, "x", None, (1.0,))
    with pytest.raises(InputError, match=r"holds .prompt. once"):
        Arm(CONCEPT, "x", prefix="a wedding")


def test_provenance_names_what_decided_the_rows(lm, spec, swept):
    found = swept.provenance
    assert found["model"] == lm.fingerprint() and found["seed"] == 1 and found["judge"] == "WordJudge"
    assert found["arms"][0]["spec"] == spec.fingerprint()
    assert found["versions"]["saesteer"]
