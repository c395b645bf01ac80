"""The loop that drives the kernel from asyncio: timers, turns, commits.

Rules:
- The kernel gets at most `WORK_SECONDS` at a time; then the API has its turn.
- While too much is uncommitted no messages are handed out; timers and the API go on.
- Chores, what the node does for itself, get a bit of time between two turns, and all of it while nobody else wants it.
- Nothing here polls: an idle node sleeps until it is woken or its next timer is due.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.scheduler import Scheduler
    from caxton_server.runtime.timers import Timers

_log = logging.getLogger(__name__)

WORK_SECONDS = 0.002
TIMERS_AT_ONCE = 32
"""Timers that fire before agents have their turn again: an agent may have a thousand that are due together."""
CONGESTED_SECONDS = 0.005
LONGEST_SLEEP = 3600.0


class Loop:
    """Runs the scheduler until stopped."""

    def __init__(
        self,
        kernel: Kernel,
        scheduler: Scheduler,
        timers: Timers,
        *,
        clear_mark: Callable[[], None],
        chores: Callable[[], bool] = lambda: False,
    ) -> None:
        self.kernel, self.scheduler, self.timers = kernel, scheduler, timers
        self.clear_mark = clear_mark
        self.chores = chores
        """Does a bit of what is to be done; tells whether there is more to do at once."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.failed = ""
        """The bug that ended the loop, if one did."""
        self._draining_until: float | None = None
        scheduler.on_wake = self._wake.set
        timers.on_change = self._wake.set

    def wake(self) -> None:
        """Have a look at what is to be done."""
        self._wake.set()

    def start(self) -> None:
        """Begin to run."""
        self._task = asyncio.create_task(self._run(), name="caxton-kernel")

    async def stop(self, seconds: float) -> None:
        """Hand out nothing more, give running steps some time to end, and return."""
        self._draining_until = self.kernel.clock.monotonic() + seconds
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def _run(self) -> None:
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said and not swallowed
            # A bug. Nothing runs any more, and readiness says so; what was done until then can still be committed.
            self.failed = f"{type(error).__name__}: {error}"
            _log.critical("the kernel's loop ended", exc_info=error)

    async def _work(self) -> None:
        scheduler, timers, journal, kernel = (
            self.scheduler,
            self.timers,
            self.kernel.journal,
            self.kernel,
        )
        commits = journal.commits
        while not self._stopping:
            self._wake.clear()
            timers.fire(kernel.tick(), limit=TIMERS_AT_ONCE)
            if commits.congested:
                journal.flush()
                await asyncio.sleep(CONGESTED_SECONDS)
            elif scheduler.idle:
                journal.flush()
                self.clear_mark()
                if self.chores():
                    await asyncio.sleep(0)
                else:
                    await self._sleep()
            else:
                scheduler.work(WORK_SECONDS)
                self.chores()
                journal.flush()
                await asyncio.sleep(0)
        await self._finish()

    async def _sleep(self) -> None:
        """Wait until something is to be done."""
        due = self.timers.next_due
        wait = (
            LONGEST_SLEEP
            if due is None
            else min(max((due - self.kernel.clock.time_ms()) / 1000, 0.0), LONGEST_SLEEP)
        )
        if wait <= 0:
            await asyncio.sleep(0)
            return
        handle = asyncio.get_running_loop().call_later(wait, self._wake.set)
        await self._wake.wait()
        handle.cancel()

    async def _finish(self) -> None:
        """Let the steps that are under way end, as far as the time goes; the others run again at the next start."""
        scheduler, kernel = self.scheduler, self.kernel
        until = self._draining_until or 0.0
        while scheduler.parked and kernel.clock.monotonic() < until:
            scheduler.resume(scheduler.parked.popleft())
            if len(scheduler.parked) <= 1:
                await asyncio.sleep(0)
        self.clear_mark()
        kernel.journal.flush()
