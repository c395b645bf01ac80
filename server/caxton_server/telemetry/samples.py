"""What a scrape is computed from: the node's plain integers, and what the edge and the loop add."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import msgspec


class NodeSample(msgspec.Struct, frozen=True):
    """What the node counts; lists hold what was observed since the last sample."""

    agents: Mapping[str, int] = {}
    agent_events: Mapping[str, int] = {}
    restarts: Mapping[str, int] = {}
    give_ups: Mapping[str, int] = {}
    backing_off: int = 0
    held: int = 0
    routed: Mapping[tuple[str, str], int] = {}
    processed: Mapping[tuple[str, str], int] = {}
    durations: Mapping[str, list[float]] = {}
    delivery_times: list[float] = []
    mailbox_sum: int = 0
    mailbox_max: int = 0
    oldest_message_age: float = 0.0
    conversations_open: Mapping[str, int] = {}
    conversations_closed: Mapping[tuple[str, str], int] = {}
    dead_letters: Mapping[str, int] = {}
    traps: Mapping[str, int] = {}
    limits: Mapping[str, int] = {}
    fuel: int = 0
    deployments: Mapping[tuple[str, str], int] = {}
    signatures: Mapping[tuple[str, str], int] = {}
    weights: Mapping[str, float] = {}
    memory: Mapping[str, int] = {}
    memory_refusals: int = 0
    commit_times: list[float] = []
    storage_errors: int = 0
    checkpoints: int = 0
    pruned_groups: int = 0


class Sample(msgspec.Struct, frozen=True):
    """One look at everything that is counted."""

    node: NodeSample
    requests: Mapping[tuple[str, str, int], int]
    loop_lag: float


class LoopWatch:
    """Measures how late the event loop is, by a timer that should fire every so often."""

    def __init__(self, period: float = 0.5) -> None:
        self.period = period
        self.worst = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch the running loop."""
        self._task = asyncio.create_task(self._watch(), name="caxton-loop-watch")

    async def stop(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def take(self) -> float:
        """Return the longest delay since the last time, and forget it."""
        worst, self.worst = self.worst, 0.0
        return worst

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self.period
            await asyncio.sleep(self.period)
            self.worst = max(self.worst, loop.time() - due)


def on_loop(
    loop: asyncio.AbstractEventLoop, take: Callable[[], Sample], *, seconds: float = 5.0
) -> Callable[[], Sample]:
    """Return a function that takes a sample on the loop, for callers on other threads.

    The node's counters change on the loop only, so no scrape sees a dictionary that grows.
    """

    async def sample() -> Sample:
        return take()

    return lambda: asyncio.run_coroutine_threadsafe(sample(), loop).result(seconds)
