"""What ends a run: Ctrl-C, a cancelled task, a full disk, a defect of ours. Nothing else does."""

import asyncio
import inspect
import os
import signal

import pytest

from saesteer.errors import SaesteerError
from saesteer.llms import blocking
from saesteer.llms.blocking import finish
from saesteer.llms.client import TimedOut
from saesteer.pipeline.interpretation.failing import Fatal, failure_of
from tests.pipeline.interpretation.standins import Noting, Said, run, stages


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Fatal("the disk is full"), GeneratorExit()])
def test_what_is_about_the_whole_run_is_no_failure_of_a_latent(error):
    with pytest.raises(type(error)):
        failure_of(error)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), TimedOut("x"), MemoryError()])
def test_everything_else_is(error):
    assert failure_of(error).kind in ("ValueError", "SystemExit", "timed_out", "MemoryError")


def test_a_cancelled_task_is_cancelled_and_a_cancelled_wait_is_a_failure():
    found = []

    async def work():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError as error:
            found.append(failure_of(error).kind)

    async def wait_for_what_is_cancelled():
        waited = asyncio.get_running_loop().create_future()
        waited.cancel()
        try:
            await waited
        except asyncio.CancelledError as error:
            found.append(failure_of(error).kind)

    async def main():
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() and not found
        await wait_for_what_is_cancelled()

    asyncio.run(main())
    assert found == ["CancelledError"]


def test_a_defect_of_ours_ends_the_run_and_says_where(tmp_path):
    def tell(progress):
        raise ZeroDivisionError("of a listener")

    with pytest.raises(SaesteerError, match=r"layers\.3/\d+: ZeroDivisionError: of a listener"):
        run(tmp_path, stages(Noting()), tell=tell)


def test_ctrl_c_cancels_what_runs_and_waits_until_it_has_ended():
    ended, before = [], signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it

    async def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0)
            ended.append("cleanly")

    try:
        with pytest.raises(KeyboardInterrupt):
            finish(work())
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == ["cleanly"]


def test_what_latents_promote_is_part_of_an_explainers_configuration_alone():
    client = Noting()
    plain, told = stages(client), stages(client)
    object.__setattr__(told, "effects", True)
    assert plain.config(plain.explainer) != told.config(told.explainer)
    assert [plain.config(each) for each in plain.scorers] == [told.config(each) for each in told.scorers]
    assert plain.config(Said(client)) != told.config(told.explainer)


@pytest.mark.parametrize("before", [True, False])
def test_ctrl_c_while_the_work_is_being_started_leaves_nothing_behind(monkeypatch, before):
    """In the call that hands it over: before it was handed over, and after."""
    loop = blocking._loop()
    hand_over = loop.call_soon_threadsafe

    async def work():
        await asyncio.sleep(1000)

    def interrupted(callback, *args):
        monkeypatch.undo()
        if not before:
            hand_over(callback, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "call_soon_threadsafe", interrupted)
    begun = work()
    with pytest.raises(KeyboardInterrupt):
        finish(begun)
    assert inspect.getcoroutinestate(begun) == inspect.CORO_CLOSED
