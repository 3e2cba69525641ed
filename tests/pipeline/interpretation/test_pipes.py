"""Items through pipes, many at once."""

import asyncio

import pytest

from saesteer.errors import InputError, SaesteerError
from saesteer.llms.blocking import finish
from saesteer.llms.client import TimedOut
from saesteer.pipeline.interpretation import Pipe, Pipeline


async def double(item):
    await asyncio.sleep(0)
    return 2 * item


def values(outcomes):
    return sorted(each.value for each in outcomes if each.failure is None)


def test_what_a_pipe_gives_the_next_is_given_sync_or_async():
    outcomes = asyncio.run(Pipeline(range(5), double, Pipe(lambda item: item + 1), parallel=2).run())
    assert values(outcomes) == [1, 3, 5, 7, 9] and sorted(each.item for each in outcomes) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("sync", [True, False])
def test_callbacks_look_on_before_and_after(sync):
    seen = []

    async def note(item):
        await asyncio.sleep(0)
        seen.append(item)
        return "ignored"

    look = seen.append if sync else note
    outcomes = asyncio.run(Pipeline([3], Pipe(double, before=look, after=look)).run())
    assert seen == [3, 6] and outcomes[0].value == 6


def test_several_processes_of_one_pipe_get_the_same_item():
    seen = []
    several = Pipe(
        double, Pipe(lambda item: item + 1, after=seen.append), lambda item: -item, after=seen.append
    )
    outcomes = asyncio.run(Pipeline([10], several).run())
    assert outcomes[0].value == (20, 11, -10) and seen == [11, (20, 11, -10)]


def test_no_more_than_so_many_are_under_way():
    most, now, taken = 0, 0, []

    async def count(item):
        nonlocal most, now
        now += 1
        most = max(most, now)
        assert len(taken) - item <= 3  # items are taken as places become free
        await asyncio.sleep(0.001)
        now -= 1

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    assert len(asyncio.run(Pipeline(items(), count, parallel=3).run())) == 20
    assert most == 3
    with pytest.raises(InputError, match="parallel is 1 or more"):
        Pipeline([], parallel=0)


def test_results_come_as_they_are_ready():
    gate = asyncio.Event()

    async def wait_for_the_second(item):
        if item == 0:
            await gate.wait()
        return item

    async def main():
        seen = []
        async for each in Pipeline(range(3), wait_for_the_second, parallel=2):
            seen.append(each.value)
            if each.value == 2:
                gate.set()
        return seen

    assert asyncio.run(main()) == [1, 2, 0]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("odd \ud800"), "ValueError"),
        (TimedOut("slow"), "timed_out"),
        (RecursionError("deep"), "RecursionError"),
        (SystemExit(3), "SaesteerError"),
        (asyncio.CancelledError(), "CancelledError"),
        (AssertionError(), "AssertionError"),
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_an_exception_stops_its_own_item_alone(error, kind, several):
    async def sometimes(item):
        await asyncio.sleep(0)
        if item == 1:
            raise error
        return item

    pipe = Pipe(sometimes, lambda item: item) if several else Pipe(sometimes)
    outcomes = asyncio.run(Pipeline(range(4), pipe, parallel=2).run())
    failed = [each for each in outcomes if each.failure]
    assert len(outcomes) == 4 and [each.item for each in failed] == [1]
    assert failed[0].failure.kind == kind and failed[0].failure.message
    failed[0].failure.message.encode()


def test_whoever_stops_early_leaves_nothing_running():
    ended = []

    async def slow(item):
        try:
            await asyncio.sleep(1000 if item else 0)
        finally:
            ended.append(item)

    async def main():
        stream = aiter(Pipeline(range(10), slow, parallel=4))
        await anext(stream)
        await stream.aclose()
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1 and sorted(ended) == [0, 1, 2, 3]


def test_one_of_several_that_fails_takes_the_others_with_it():
    ended = []

    async def slow(item):
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(item)

    def bad(item):
        raise ValueError("no")

    async def late(item):
        await asyncio.sleep(0)  # the other has begun
        bad(item)

    async def main():
        outcomes = await Pipeline([7], Pipe(slow, late)).run()
        return outcomes, list(ended), len(asyncio.all_tasks())

    outcomes, when_done, left = asyncio.run(main())
    assert outcomes[0].failure.kind == "ValueError" and (when_done, left) == ([7], 1)


def test_finish_is_an_ordinary_call_also_inside_a_loop():
    async def notebook():
        return finish(double(4)) + finish(double(5))

    assert finish(double(3)) == 6 and asyncio.run(notebook()) == 18


def test_all_calls_share_a_loop_so_that_clients_keep_their_connections():
    async def loop():
        return asyncio.get_running_loop()

    assert finish(loop()) is finish(loop())


def test_finish_raises_what_the_work_raises():
    async def fail(error):
        raise error

    for error in (ValueError("x"), KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(error)):
            finish(fail(error))
    with pytest.raises(SaesteerError, match="cancelled from inside"):
        finish(fail(asyncio.CancelledError()))
    assert finish(double(1)) == 2  # the loop goes on


def test_finish_inside_its_own_loop_is_refused_instead_of_waiting_for_ever():
    async def inner():
        return finish(double(1))

    with pytest.raises(SaesteerError, match="would wait for the loop"):
        finish(inner())
