"""Heavy computing leaves the event loop free. Nobody looks at a clock: the work waits for the loop itself."""

import asyncio
import threading

import numpy as np
import pytest

from saesteer.scorers.aside import Aside
from saesteer.scorers.embedding import Embedding
from saesteer.scorers.example_embedding import ExampleEmbedding
from saesteer.scorers.surprisal import Surprisal
from tests.scorers.records import record, said
from tests.steering import tiny

LONG = 20.0
"""Seconds after which a test that would hang fails; nothing waits so long that goes right."""


class Gate:
    """Opened by another coroutine, after the work has begun."""

    def __init__(self):
        self.begun, self._open, self.passed = threading.Event(), threading.Event(), []

    def wait(self):
        self.begun.set()
        self.passed.append(self._open.wait(LONG))
        self._open.set()  # whoever waited in vain did so for all

    async def opened(self):
        while not self.begun.is_set():
            await asyncio.sleep(0)
        self._open.set()


class Waiting:
    """An embedder that computes until the gate is open."""

    def __init__(self, gate):
        self.gate = gate

    def cut(self, text):
        return [text]

    def vectors(self, pieces):
        self.gate.wait()
        return np.ones((len(pieces), 2))

    def fingerprint(self):
        return "waiting"


class Held:
    """A model that waits for the gate, then computes."""

    def __init__(self, lm, gate):
        self._lm, self._gate = lm, gate

    def __getattr__(self, name):
        return getattr(self._lm, name)

    def nll(self, *given):
        self._gate.wait()
        return self._lm.nll(*given)


@pytest.mark.parametrize("name", ["embedding", "example_embedding", "surprisal"])
def test_others_get_on_while_a_scorer_computes(name):
    gate = Gate()
    scorer = {
        "embedding": lambda: Embedding(Waiting(gate)),
        "example_embedding": lambda: ExampleEmbedding(Waiting(gate)),
        "surprisal": lambda: Surprisal(Held(tiny.llama(), gate)),
    }[name]()

    async def both():
        found, _ = await asyncio.gather(scorer.score(record(6, 6, train=2), said("the sea")), gate.opened())
        return found

    assert asyncio.run(both()).value is not None
    assert gate.passed and all(gate.passed)  # and none of them went on because it had waited too long


def test_what_waits_for_its_turn_holds_no_thread_of_others():
    """More pieces of work than the loop has threads; what others do in threads still comes through."""
    gate = Gate()
    scorers = [Embedding(Waiting(gate)) for _ in range(64)]

    async def others():
        while not gate.begun.is_set():
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.to_thread(lambda: None)  # as files are written and records are read
        await gate.opened()

    async def all_of_it():
        of, told = record(6, 6, train=2), said("the sea")
        return await asyncio.gather(*(each.score(of, told) for each in scorers), others())

    found = asyncio.run(all_of_it())
    assert len(found) == 65 and all(gate.passed)


def test_what_is_cancelled_before_its_turn_is_not_begun():
    gate, aside, begun = Gate(), Aside("test"), []

    async def main():
        first = asyncio.ensure_future(aside(gate.wait))
        second = asyncio.ensure_future(aside(begun.append, 2))
        while not gate.begun.is_set():
            await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await gate.opened()
        await first
        assert await aside(lambda: 3) == 3

    asyncio.run(main())
    assert begun == []


def test_an_exception_reaches_whoever_asked():
    async def main():
        await Aside("test")(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        asyncio.run(main())
