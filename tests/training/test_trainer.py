"""The trainer finds a planted dictionary, repeats itself to the bit, survives a kill and refuses nonsense."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from saesteer.errors import CorruptFile, InputError, SaesteerError, ShapeMismatch
from saesteer.saes import load_sae
from saesteer.training import TrainConfig, TrainMetrics, evaluate_sae, train_sae
from saesteer.training.initial import initial_tensors

SMALL = TrainConfig(
    d_sae=64,
    k=4,
    tokens=20 * 128,
    report_tokens=5 * 128,
    checkpoint_tokens=4 * 128,
    lr=3e-3,
)


def planted(
    start: int = 0, width: int = 24, atoms: int = 40, batch: int = 128, scale: float = 5.0
) -> Iterator[torch.Tensor]:
    """Batches of sums of four atoms each, about a common offset; batch i is the same whoever asks."""
    draw = torch.Generator().manual_seed(99)
    rows = torch.nn.functional.normalize(torch.randn(atoms, width, generator=draw), dim=-1)
    offset = torch.randn(width, generator=draw)
    while True:
        draw = torch.Generator().manual_seed(1000 + start)
        chosen = torch.rand(batch, atoms, generator=draw).topk(3).indices
        strength = 1 + torch.rand(batch, 3, generator=draw)
        yield scale * ((rows[chosen] * strength[..., None]).sum(1) + offset)
        start += 1


def test_it_finds_a_planted_dictionary():
    config = TrainConfig(d_sae=80, k=3, tokens=128 * 1500, lr=3e-3, dead_after_tokens=20_000)
    result = train_sae(planted(), config, hook_name="layers.3", model_name="tiny", metadata={"note": 5})
    held_out = islice(planted(10**6), 8)
    quality = evaluate_sae(result.sae, held_out)
    assert quality.fvu < 0.05
    assert quality.l0 <= 3
    draw = torch.Generator().manual_seed(99)
    atoms = torch.nn.functional.normalize(torch.randn(40, 24, generator=draw), dim=-1)
    assert ((atoms @ result.sae.W_dec.T).amax(1) > 0.95).float().mean() > 0.9
    torch.testing.assert_close(result.sae.W_dec.norm(dim=-1), torch.ones(80))
    assert (result.sae.cfg.hook_name, result.sae.cfg.model_name) == ("layers.3", "tiny")
    assert result.sae.cfg.metadata["note"] == 5
    assert result.sae.cfg.metadata["training"]["k"] == 3
    last = result.metrics[-1]
    assert last.tokens == config.tokens and last.step == 1500
    assert last.fvu < 0.06 < result.metrics[0].fvu
    assert len(result.metrics) == math.ceil(config.tokens / (782 * 128))


def test_gradients_along_decoder_rows_are_left_out(tmp_path):
    """Adam's first moment after one step is a tenth of the clipped gradient."""
    file = tmp_path / "state"
    train_sae(planted(), replace(SMALL, tokens=128), checkpoint=file)
    start, _ = initial_tensors(next(planted()), SMALL.d_sae, SMALL.centre, SMALL.seed)
    moment = load_file(file)["exp_avg.decoder"]
    assert moment.norm() > 1e-3
    torch.testing.assert_close((moment * start.decoder).sum(-1), torch.zeros(64), rtol=0, atol=1e-7)


def test_it_repeats_itself():
    one, two = (train_sae(planted(), SMALL).sae.fingerprint() for _ in range(2))
    assert one == two
    assert train_sae(planted(), replace(SMALL, seed=1)).sae.fingerprint() != one


def test_the_scale_of_activations_does_not_matter():
    small = train_sae(planted(scale=1.0), SMALL).sae
    large = train_sae(planted(scale=1024.0), SMALL).sae  # a power of two: the same bits but for the exponent
    torch.testing.assert_close(large.W_dec, small.W_dec, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(large.b_enc, 1024 * small.b_enc, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(large.b_dec, 1024 * small.b_dec, rtol=1e-4, atol=1e-2)


def shifting() -> Iterator[torch.Tensor]:
    """At first few atoms, so that latents die, then all of them."""
    draw = torch.Generator().manual_seed(5)
    rows = torch.nn.functional.normalize(torch.randn(96, 32, generator=draw), dim=-1)
    for step in count():
        atoms = 6 if step < 150 else 96
        chosen = torch.rand(128, atoms, generator=draw).topk(3).indices
        yield (rows[chosen] * (1 + torch.rand(128, 3, 1, generator=draw))).sum(1)


def test_aux_wakes_the_dead():
    config = TrainConfig(
        d_sae=96, k=3, tokens=128 * 550, lr=1e-2, dead_after_tokens=128 * 50, report_tokens=128 * 50
    )
    with_aux = train_sae(shifting(), config).metrics
    without = train_sae(shifting(), replace(config, aux_coefficient=0.0)).metrics
    assert all(each.aux == 0 for each in without)
    assert max(each.dead for each in with_aux) > 0.3
    assert with_aux[-1].dead < without[-1].dead / 2
    assert with_aux[-1].fvu < without[-1].fvu


class Stopped(Exception):
    pass


def stopping(after: int) -> Iterator[torch.Tensor]:
    for i, batch in enumerate(planted()):
        if i == after:
            raise Stopped
        yield batch


@pytest.mark.parametrize("after", [1, 4, 11, 19])
def test_resuming_gives_the_same_bits(tmp_path, after):
    config = replace(SMALL, d_sae=512, k=1, dead_after_tokens=2 * 128)
    whole = train_sae(planted(), config)
    assert all(0.1 < each.dead < 0.9 for each in whole.metrics)  # so that who is dead matters
    file = tmp_path / "state.safetensors"
    with pytest.raises(Stopped):
        train_sae(stopping(after), config, checkpoint=file)
    assert file.exists() == (after >= 4)
    asked = []
    again = train_sae(lambda done: asked.append(done) or planted(done), config, checkpoint=file)
    assert asked == [after // 4 * 4]
    assert again.sae.fingerprint() == whole.sae.fingerprint()
    assert [replace(each, seconds=0) for each in again.metrics] == [
        replace(each, seconds=0) for each in whole.metrics
    ]
    assert [each.tokens for each in whole.metrics] == [640, 1280, 1920, 2560]


def test_an_iterable_is_read_up_to_where_it_stood(tmp_path):
    with pytest.raises(Stopped):
        train_sae(stopping(9), SMALL, checkpoint=tmp_path / "state")
    again = train_sae(planted(), SMALL, checkpoint=tmp_path / "state")
    assert again.sae.fingerprint() == train_sae(planted(), SMALL).sae.fingerprint()


def test_a_finished_run_is_not_trained_again(tmp_path):
    done = train_sae(planted(), SMALL, checkpoint=tmp_path / "state")
    again = train_sae([], SMALL, checkpoint=tmp_path / "state")
    assert again.sae.fingerprint() == done.sae.fingerprint()
    assert again.metrics == done.metrics


KILLED = """
import sys, time, torch
sys.path.insert(0, {here!r})
torch.set_num_threads(1)
from test_trainer import SMALL, planted
from saesteer.training import train_sae
def slow(done):
    print(done, flush=True)
    for batch in planted(done):
        yield batch
        time.sleep(0.02)
sae = train_sae(slow, SMALL, checkpoint={file!r}).sae
print(sae.fingerprint(), train_sae(planted(), SMALL).sae.fingerprint())
"""


@pytest.mark.slow
def test_kill_dash_nine(tmp_path):
    file = tmp_path / "state.safetensors"
    script = KILLED.format(here=str(Path(__file__).parent), file=str(file))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env) as first:
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
    assert file.exists()
    load_file(file)  # whole
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=env, check=True
    )
    resumed_at, resumed, whole = ended.stdout.split()
    assert int(resumed_at) >= 4
    assert resumed == whole


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    file = tmp_path / "state"
    train_sae(planted(), SMALL, checkpoint=file, model_name="one")
    with pytest.raises(InputError, match="another run: its k is 4, here 5"):
        train_sae(planted(), replace(SMALL, k=5), checkpoint=file, model_name="one")
    with pytest.raises(InputError, match="its model_name is 'one', here 'two'"):
        train_sae(planted(), SMALL, checkpoint=file, model_name="two")


def test_a_torn_checkpoint_is_named(tmp_path):
    file = tmp_path / "state"
    train_sae(planted(), SMALL, checkpoint=file)
    whole = file.read_bytes()
    for part in (whole[:50], whole[:-4], b"{}"):
        file.write_bytes(part)
        with pytest.raises(CorruptFile, match="not a whole checkpoint"):
            train_sae(planted(), SMALL, checkpoint=file)


def test_bad_batches(tmp_path):
    good = next(planted())
    bad = good.clone()
    bad[3, 4] = torch.nan
    for batches, error, message in (
        ([good, bad], InputError, "batch 1 holds values that are not finite"),
        ([good, good], InputError, "ended after 256 of 2560 tokens"),
        ([good, good[:, :-1]], ShapeMismatch, r"batch 1 is \[128, 23\]"),
        ([good[0]], ShapeMismatch, r"batch 0 is \[24\]"),
        ([good[:1]], ShapeMismatch, r"batch 0 is \[1, 24\]"),
        ([torch.ones(5, 24)], InputError, "are all the same"),
    ):
        with pytest.raises(error, match=message):
            train_sae(batches, SMALL, checkpoint=tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_going_astray_is_said_at_once(tmp_path):
    with pytest.raises(SaesteerError, match=r"went astray at step \d.*lower lr"):
        train_sae(planted(), replace(SMALL, lr=1e30), checkpoint=tmp_path / "state")


def test_metrics_come_as_they_are_made():
    seen: list[TrainMetrics] = []
    result = train_sae(planted(), SMALL, on_metrics=seen.append)
    assert tuple(seen) == result.metrics
    assert all(0 < each.l0 <= 4 and each.gradient_norm > 0 for each in seen)
    json.dumps([vars(each) for each in seen])


def test_the_trained_sae_is_a_folder_like_any_other(tmp_path):
    sae = train_sae(planted(), SMALL).sae
    sae.save(tmp_path)
    assert load_sae(tmp_path).fingerprint() == sae.fingerprint()


def test_learning_rate():
    config = TrainConfig(d_sae=2**14, k=1, tokens=1000, warmup_share=0.1, decay_share=0.5)
    assert config.lr_at(0) == pytest.approx(2e-6)
    assert config.lr_at(49) == pytest.approx(1e-4)
    assert config.lr_at(99) == config.lr_at(500) == pytest.approx(2e-4)
    assert config.lr_at(750) == pytest.approx(1e-4)
    assert config.lr_at(999) == pytest.approx(2e-4 / 500)
    assert config.lr_at(1000) == config.lr_at(1100) == 0  # the last batch may go over
    flat = replace(config, warmup_share=0, decay_share=0, lr=0.5)
    assert flat.lr_at(0) == flat.lr_at(999) == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"d_sae": 0}, "d_sae is 1 or more"),
        ({"k": 65}, "k is 65 but d_sae is only 64"),
        ({"tokens": 0}, "tokens is 1 or more"),
        ({"warmup_share": 0.6, "decay_share": 0.6}, "warmup_share 0.6 and decay_share 0.6"),
        ({"seed": -1}, "seed is 0 or more"),
        ({"lr": 0.0}, "lr is over 0"),
        ({"lr": math.nan}, "lr is over 0"),
        ({"clip_norm": 0.0}, "clip_norm over 0"),
        ({"aux_coefficient": -1.0}, "aux_coefficient is 0 or more"),
        ({"k_aux": 0}, "k_aux is 1 or more"),
        ({"centre": "median"}, "centre is one of"),
    ],
)
def test_settings_that_cannot_be(change, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **change)
