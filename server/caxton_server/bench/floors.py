"""The floor: the same workloads on bare `asyncio.Queue`, without sandbox, envelope, conversation or journal."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

from caxton_server.bench.machines import resident_bytes

RING = 1_000
IN_FLIGHT = 100
BIDDERS = 10
BODY = "x" * 300


class _Count:
    """How much has been done; the tasks stop when the time is up."""

    def __init__(self) -> None:
        self.done = 0


Work = Callable[[_Count], list[Awaitable[None]]]


async def _rate(work: Work, seconds: float) -> float:
    """Run tasks for a while and return how much they did in a second."""
    count = _Count()
    tasks = [asyncio.ensure_future(part) for part in work(count)]
    try:
        await asyncio.sleep(seconds / 5)
        began, before = time.perf_counter(), count.done
        await asyncio.sleep(seconds)
        return (count.done - before) / (time.perf_counter() - began)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forward(inbox: asyncio.Queue[str], outbox: asyncio.Queue[str], count: _Count) -> None:
    while True:
        body = await inbox.get()
        count.done += 1
        outbox.put_nowait(body)


async def round_trips(seconds: float) -> float:
    """W1: two queues, one message under way."""

    def work(count: _Count) -> list[Awaitable[None]]:
        a: asyncio.Queue[str] = asyncio.Queue()
        b: asyncio.Queue[str] = asyncio.Queue()
        a.put_nowait(BODY)
        return [_forward(a, b, count), _forward(b, a, _Count())]

    return await _rate(work, seconds)


async def stream(seconds: float) -> float:
    """W2: one queue with room for a hundred."""

    async def send(queue: asyncio.Queue[str]) -> None:
        while True:
            await queue.put(BODY)

    async def receive(queue: asyncio.Queue[str], count: _Count) -> None:
        while True:
            await queue.get()
            count.done += 1

    def work(count: _Count) -> list[Awaitable[None]]:
        queue: asyncio.Queue[str] = asyncio.Queue(IN_FLIGHT)
        return [send(queue), receive(queue, count)]

    return await _rate(work, seconds)


async def ring(seconds: float) -> float:
    """W3: a thousand queues in a ring, a thousand messages under way."""

    def work(count: _Count) -> list[Awaitable[None]]:
        queues: list[asyncio.Queue[str]] = [asyncio.Queue() for _ in range(RING)]
        for queue in queues:
            queue.put_nowait(BODY)
        return [
            _forward(queue, queues[(index + 1) % RING], count) for index, queue in enumerate(queues)
        ]

    return await _rate(work, seconds)


async def contract_nets(seconds: float) -> float:
    """W4: call, proposals, one award, rejections, result."""
    calls: list[asyncio.Queue[str]] = [asyncio.Queue() for _ in range(BIDDERS)]
    answers: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    async def initiate(count: _Count) -> None:
        while True:
            for call in calls:
                call.put_nowait("cfp")
            offers = [await answers.get() for _ in calls]
            _, winner = min(offers)
            for bidder, call in enumerate(calls):
                call.put_nowait("accept-proposal" if bidder == winner else "reject-proposal")
            await answers.get()
            count.done += 1

    async def bid(bidder: int) -> None:
        while True:
            act = await calls[bidder].get()
            if act != "reject-proposal":
                answers.put_nowait((bidder, bidder))

    return await _rate(lambda count: [initiate(count), *map(bid, range(BIDDERS))], seconds)


async def memory_per_agent(agents: int) -> float:
    """W5: KiB for a task that waits on a queue of its own."""

    async def wait(queue: asyncio.Queue[str]) -> None:
        await queue.get()

    gc.collect()
    before = resident_bytes()
    tasks = [asyncio.ensure_future(wait(asyncio.Queue())) for _ in range(agents)]
    await asyncio.sleep(0)
    used = resident_bytes() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return used / 1024 / agents


FLOORS: dict[str, Callable[[float], Awaitable[float]]] = {
    "W1": round_trips,
    "W2": stream,
    "W3": ring,
    "W4": contract_nets,
}
