"""The simulated loop and its clock: time passes without waiting."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Coroutine
from random import Random
from typing import Any, TypeVar

import pytest
from caxton_server.simulation.clocks import START_MS, SimulatedClock
from caxton_server.simulation.loop import OWNER, SimulatedLoop, Stuck

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], loop: SimulatedLoop | None = None) -> T:
    """Run something in simulated time."""
    loop = loop or SimulatedLoop(Random(1))
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def test_time_jumps_to_what_is_due() -> None:
    """Sleepers wake in the order of their times, and a year takes no time."""

    async def sleep(seconds: float, woken: list[float]) -> None:
        await asyncio.sleep(seconds)
        woken.append(asyncio.get_running_loop().time())

    async def all_sleep() -> list[float]:
        woken: list[float] = []
        await asyncio.gather(*(sleep(seconds, woken) for seconds in (3e6, 0.5, 60)))
        return woken

    assert run(all_sleep()) == [0.5, 60, 3e6]


def test_calls_on_threads_are_made_on_the_loop() -> None:
    """What would block a thread runs here, a little later, and its exception comes back."""

    async def call() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        made = await asyncio.to_thread(loop.time)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return made, loop.time()

    made, after = run(call())
    assert 0 < made < after


def test_a_loop_that_nobody_can_wake_says_so() -> None:
    """Waiting for what never comes is an error, and no hang."""

    async def wait() -> None:
        await asyncio.Event().wait()

    loop = SimulatedLoop(Random(1))
    work = wait()
    with pytest.raises(Stuck):
        run(work, loop)
    work.close()


def test_tasks_belong_to_the_context_they_are_made_in() -> None:
    """The tasks of a node are found, also those that its tasks make, and those of others are not."""

    async def nothing() -> None:
        await asyncio.create_task(asyncio.sleep(0))

    async def make() -> int:
        mine: list[asyncio.Task[Any]] = []
        context = contextvars.copy_context()
        context.run(OWNER.set, mine)
        await asyncio.get_running_loop().create_task(nothing(), context=context)
        await asyncio.create_task(nothing())
        return len(mine)

    assert run(make()) == 2


def test_the_clock_goes_with_the_loop_and_can_be_set() -> None:
    """Reading the monotonic clock takes time; setting the wall clock leaves it alone."""

    async def read() -> tuple[int, float, int]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        clock = SimulatedClock(loop, reading_seconds=0.25)
        await asyncio.sleep(2)
        before = clock.time_ms()
        spent = clock.monotonic()
        clock.jump(-10)
        return before, spent, clock.time_ms()

    began = time.monotonic()
    assert run(read()) == (START_MS + 2000, 2.25, START_MS - 7750)
    assert time.monotonic() - began < 60
