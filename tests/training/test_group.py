"""Several SAEs from one stream: each as if trained alone, resumed after a kill, best and last, logs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from saesteer.errors import InputError, MissingExtra, SaesteerError
from saesteer.latents import ActivationBatch
from saesteer.saes import load_sae
from saesteer.training import (
    BatchTopK,
    Condition,
    Gated,
    JumpReLU,
    Matryoshka,
    Member,
    ReLU,
    TrainConfig,
    evaluate_sae,
    train_sae,
    train_saes,
)
from saesteer.training.logs import JSONLines, TensorBoard

SMALL = TrainConfig(d_sae=64, k=4, tokens=20 * 128, report_tokens=5 * 128, checkpoint_tokens=4 * 128, lr=3e-3)
RESAMPLED = ReLU(l1=0.5, resample_tokens=3 * 128)
FORMS = {
    "standard": RESAMPLED,
    "gated": Gated(l1=0.5),
    "jumprelu": JumpReLU(sparsity=0.3),
    "batchtopk": BatchTopK(4),
    "matryoshka": Matryoshka(4),
}


class Planted:
    """Batches of two hookpoints: sums of three atoms each about an offset, another one at each hookpoint."""

    def __init__(self, pause: float = 0.0, stop: int | None = None) -> None:
        self.pause, self.stop, self.asked = pause, stop, []

    def after(self, done: int) -> Iterator[ActivationBatch]:
        self.asked.append(done)
        while done != self.stop:
            draw = torch.Generator().manual_seed(1000 + done)
            atoms = torch.rand(128, 40, generator=draw).topk(3).indices
            strength = 1 + torch.rand(128, 3, 1, generator=draw)
            x = {f"layers.{i}": (_rows(i)[atoms] * strength).sum(1) + i for i in range(2)}
            yield ActivationBatch(x, (atoms == 7).any(1, keepdim=True).float())
            time.sleep(self.pause)
            done += 1


def _rows(i: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(i)
    return torch.nn.functional.normalize(torch.randn(40, 24, generator=draw), dim=-1)


def members(tokens: int = SMALL.tokens) -> dict[str, Member]:
    some = {
        f"layers.{i % 2}/{name}": Member(
            f"layers.{i % 2}", replace(SMALL, k=None, form=form, tokens=tokens, dead_after_tokens=256)
        )
        for i, (name, form) in enumerate(FORMS.items())
    }
    short = Member("layers.0", replace(SMALL, tokens=7 * 128, checkpoint_tokens=3 * 128))
    return some | {"layers.0/topk": short, "layers.1/topk": Member("layers.1", SMALL)}


def fingerprints(results) -> dict[str, str]:
    return {name: each.sae.fingerprint() for name, each in results.items()}


def test_each_is_as_if_trained_alone(tmp_path):
    stream = Planted()
    results = train_saes(stream, members(), tmp_path, model_name="tiny")
    assert stream.asked == [0]
    for name, member in members().items():
        batches = (batch.activations[member.at] for batch in Planted().after(0))
        alone = train_sae(batches, member.config, hook_name=member.at, model_name="tiny")
        assert results[name].sae.fingerprint() == alone.sae.fingerprint(), name
        sae = load_sae(tmp_path / name)
        assert sae.fingerprint() == alone.sae.fingerprint()
        assert (sae.cfg.hook_name, sae.cfg.metadata["training"]["d_sae"]) == (member.at, 64)
    assert results["layers.0/matryoshka"].sae.cfg.architecture == "jumprelu"


class Stopped(Exception):
    pass


class Stopping(Planted):
    def after(self, done: int) -> Iterator[ActivationBatch]:
        yield from super().after(done)
        raise Stopped


@pytest.mark.parametrize("stop", [2, 4, 13])
def test_resuming_gives_the_same_bits(tmp_path, stop):
    whole = train_saes(Planted(), members())
    with pytest.raises(Stopped):
        train_saes(Stopping(stop=stop), members(), tmp_path)
    stream = Planted()
    again = train_saes(stream, members(), tmp_path)
    assert stream.asked == [{2: 0, 4: 3, 13: 12}[stop]]  # where the one that is least far stands
    assert fingerprints(again) == fingerprints(whole)
    for name, each in again.items():
        assert [replace(m, seconds=0) for m in each.metrics] == [
            replace(m, seconds=0) for m in whole[name].metrics
        ]


def test_every_form_learns_the_planted_dictionary():
    config = replace(SMALL, d_sae=80, tokens=128 * 1500, dead_after_tokens=20_000)
    forms = {"standard": ReLU(l1=2.0), "gated": Gated(), "jumprelu": JumpReLU(sparsity=1.0)}
    forms |= {"tanh": JumpReLU(sparsity=0.3, penalty="tanh")}
    forms |= {"batchtopk": BatchTopK(3), "matryoshka": Matryoshka(3)}
    group = {name: Member("layers.1", replace(config, k=None, form=form)) for name, form in forms.items()}
    results = train_saes(Planted(), group)
    for name, each in results.items():
        held_out = [
            batch.activations["layers.1"] for batch, _ in zip(Planted().after(10**6), range(8), strict=False)
        ]
        quality = evaluate_sae(each.sae, held_out)
        matched = ((_rows(1) @ each.sae.W_dec.T).amax(1) > 0.9).float().mean()
        assert quality.fvu < 0.2 and quality.l0 < 8 and matched > 0.7, (name, quality, matched)
        assert each.metrics[-1].fvu == pytest.approx(quality.fvu, abs=0.05)


def test_the_best_stretch_is_kept(tmp_path):
    rising = replace(SMALL, lr=1e-2, warmup_share=0.0, decay_share=0.0)

    class Worse(Planted):
        """What is learnt is of no use in the second half."""

        def after(self, done):
            for number, batch in enumerate(super().after(done), start=done):
                x = batch.activations["layers.0"]
                yield ActivationBatch({"layers.0": x if number < 12 else x.roll(number, 1)})

    result = train_saes(Worse(), {"a": Member("layers.0", rising)}, tmp_path)["a"]
    best = load_sae(tmp_path / "a" / "best")
    assert best.fingerprint() != result.sae.fingerprint()
    early = train_saes(Worse(), {"a": Member("layers.0", rising)}, None)["a"].metrics
    assert min(each.loss for each in early) < early[-1].loss
    held_out = [
        batch.activations["layers.0"] for batch, _ in zip(Planted().after(10**6), range(4), strict=False)
    ]
    assert evaluate_sae(best, held_out).fvu < evaluate_sae(result.sae, held_out).fvu


KILLED = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, {here!r})
from test_group import Planted, fingerprints, members
from saesteer.training import train_saes
class Told(Planted):
    def after(self, done):
        print(done, flush=True)
        return super().after(done)
found = fingerprints(train_saes(Told(pause=0.05), members(), {folder!r}))
print(found == fingerprints(train_saes(Planted(), members())))
"""


@pytest.mark.slow
def test_kill_dash_nine(tmp_path):
    script = KILLED.format(here=str(Path(__file__).parent), folder=str(tmp_path))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    last = tmp_path / "layers.1" / "topk" / "state.safetensors"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env) as first:
        deadline = time.monotonic() + 120
        while not last.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
    half = load_sae(tmp_path / "layers.1" / "topk").cfg.metadata  # the last one can be used already
    assert last.exists() and 4 * 128 <= half["trained_tokens"] < half["training"]["tokens"]
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env)
    resumed_at, same = ended.stdout.split()
    assert int(resumed_at) >= 3 and same == "True", ended.stderr


def test_one_process_at_a_time(tmp_path):
    class Meddling(Planted):
        def after(self, done):
            with pytest.raises(SaesteerError, match=f"another process works on {tmp_path}; wait for it"):
                train_saes(Planted(), members(), tmp_path)
            return super().after(done)

    short = {"a": Member("layers.0", replace(SMALL, tokens=128))}
    train_saes(Meddling(), short, tmp_path)
    train_saes(Planted(), short, tmp_path)  # it is free again


def test_logs_are_closed_whatever_happens(tmp_path):
    closed = []

    class Log(JSONLines):
        def close(self):
            closed.append(True)

    with pytest.raises(Stopped):
        train_saes(Stopping(stop=2), members(), logs=[Log(tmp_path)])
    assert closed == [True]


def test_the_best_is_by_the_conditioned_loss_too(tmp_path):
    """From batch 8 on the labels are turned round, and weigh so much that reconstruction does not matter."""

    class Turned(Planted):
        def after(self, done):
            for number, batch in enumerate(super().after(done), start=done):
                labels = batch.labels if number < 8 else 1 - batch.labels
                yield ActivationBatch(batch.activations, labels)

    config = replace(SMALL, condition=Condition(("seven",), weight=1e3), clip_norm=1e9)
    train_saes(Turned(), {"a": Member("layers.0", config)}, tmp_path)
    best = load_sae(tmp_path / "a" / "best").cfg.metadata["trained_tokens"]
    assert best <= 8 * 128


def test_logs(tmp_path):
    with pytest.raises(Stopped):
        train_saes(Stopping(stop=14), members(), tmp_path, logs=[JSONLines(tmp_path)])
    file = tmp_path / "layers.1" / "topk" / "metrics.jsonl"
    assert [json.loads(line)["tokens"] for line in file.read_text().splitlines()] == [640, 1280]
    results = train_saes(Planted(), members(), tmp_path, logs=[JSONLines(tmp_path)])
    for name, each in results.items():
        rows = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        assert [row["tokens"] for row in rows] == [metrics.tokens for metrics in each.metrics]
        assert rows[-1]["fvu"] == each.metrics[-1].fvu


def test_tensorboard_or_the_line_that_says_how_to_get_it(tmp_path):
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match=r"pip install 'saesteer\[tensorboard\]'"):
            TensorBoard(tmp_path)
        return
    train_saes(Planted(), {"a/b": Member("layers.0", SMALL)}, logs=[TensorBoard(tmp_path)])
    (file,) = (tmp_path / "tensorboard" / "a" / "b").iterdir()
    assert b"gradient_norm" in file.read_bytes()


def test_a_conditioned_latent_tells_its_concept():
    """Whatever the form: latent 0 is for atom 7, and the reconstruction does not pay for it."""
    forms = FORMS | {"topk": None}
    group = {}
    for name, form in forms.items():
        k = 4 if form is None else None
        config = replace(SMALL, k=k, form=form, tokens=128 * 300, lr=1e-2)
        group[name] = Member("layers.0", config)
        group[f"{name}, conditioned"] = Member("layers.0", replace(config, condition=Condition(("seven",))))
    results = train_saes(Planted(), group)
    batch = next(Planted().after(10**6))
    for name in forms:
        plain, conditioned = results[name], results[f"{name}, conditioned"]
        pre = conditioned.sae.pre(batch.activations["layers.0"])[:, 0]
        is_seven = batch.labels[:, 0] == 1
        told = ((pre[:, None] > pre[~is_seven][None])[is_seven]).float().mean()
        assert told > 0.95, (name, told)
        assert conditioned.metrics[-1].condition < 0.35 and plain.metrics[-1].condition == 0
        assert conditioned.metrics[-1].fvu < plain.metrics[-1].fvu + 0.05


def test_members_take_their_own_columns_of_the_labels():
    """As if each had been given its concept's labels alone; a column that is not there is named."""

    class Both:
        """The planted labels beside others."""

        def after(self, done):
            for batch in Planted().after(done):
                other = 1 - batch.labels
                yield ActivationBatch(batch.activations, torch.cat([other, batch.labels], 1))

    config = replace(SMALL, condition=Condition(("seven",)))
    alone = train_saes(Planted(), {"seven": Member("layers.0", config)})["seven"]
    found = train_saes(
        Both(), {"seven": Member("layers.0", config, (1,)), "others": Member("layers.0", config, (0,))}
    )
    assert found["seven"].sae.fingerprint() == alone.sae.fingerprint()
    assert found["others"].sae.fingerprint() != alone.sae.fingerprint()
    with pytest.raises(InputError, match="takes column 2 of 2"):
        train_saes(Both(), {"seven": Member("layers.0", config, (2,))})


def test_mistakes_are_named():
    with pytest.raises(InputError, match="there is no SAE to train"):
        train_saes(Planted(), {})
    with pytest.raises(
        InputError, match=r"a is trained at layers.7, but the batches hold layers.0, layers.1"
    ):
        train_saes(Planted(), {"a": Member("layers.7", SMALL)})
    with pytest.raises(InputError, match="the activations ended after 384 of 2560 tokens"):
        train_saes(Planted(stop=3), {"a": Member("layers.0", SMALL)})
    unlabelled = [
        ActivationBatch(batch.activations) for batch, _ in zip(Planted().after(0), range(2), strict=False)
    ]
    with pytest.raises(InputError, match=r"labels are .* for the concepts seven, got none"):
        train_saes(unlabelled, {"a": Member("layers.0", replace(SMALL, condition=Condition(("seven",))))})
