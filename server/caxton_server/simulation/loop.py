"""The simulated loop: asyncio without waiting, where time jumps to what is due next.

Rules:
- Nothing outside the process is looked at: no sockets, no threads, no clock. What would run on a thread runs on the
  loop, after a delay drawn by chance.
- A loop that has nothing to do and nothing due is stuck, and says so: nobody could ever wake it.
- Every task belongs to the owner in whose context it was made: a node that is killed takes its tasks with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from random import Random
from typing import Any

OWNER: ContextVar[list[asyncio.Task[Any]] | None] = ContextVar("owner", default=None)
"""The list that takes up the tasks made in this context."""

_THREAD_SECONDS = 0.000_5
_LONGEST = 366 * 86_400.0


class Stuck(Exception):
    """Nobody has anything to do ever again, or somebody has waited for a year."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.chance = chance
        self.thread_seconds = _THREAD_SECONDS
        """How long a call on a thread takes, on average."""
        self.complaints: list[str] = []
        """What nobody was there to hear: exceptions of tasks and callbacks."""
        self._now = 0.0
        self._selector = self
        self.set_task_factory(_owned)  # type: ignore[arg-type]  # the stubs name its options, which change with Python
        self.set_exception_handler(_complain)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def spend(self, seconds: float) -> None:
        """Let time pass while something runs."""
        self._now += seconds

    # What the event loop of the standard library asks of its selector

    def select(self, timeout: float | None) -> list[Any]:
        """Let time pass until the next timer is due."""
        if timeout is None or self._now > _LONGEST:
            raise Stuck
        if timeout > 0:
            self._now += timeout
        return []

    def _process_events(self, _events: list[Any]) -> None:
        """Do nothing: there are no events from outside."""

    def _write_to_self(self) -> None:
        """Do nothing: no other thread could be the one that calls."""

    def run_in_executor(  # type: ignore[override]  # the stubs have a narrower type for `args`
        self, _executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Make a call a little later, on this thread."""
        future: asyncio.Future[Any] = self.create_future()
        self.call_later(self.chance.expovariate(1 / self.thread_seconds), _call, future, func, args)
        return future


def _call(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if future.cancelled():
        return
    try:
        result = func(*args)
    except Exception as error:  # noqa: BLE001 - as an executor does: it is raised again by whoever awaits it
        future.set_exception(error)
    else:
        future.set_result(result)


def _owned(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    """Make a task, and enter it with its owner."""
    task = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    owner = OWNER.get() if context is None else context.get(OWNER)
    if owner is not None:
        owner.append(task)
    return task


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, SimulatedLoop)
    error = context.get("exception")
    loop.complaints.append(f"{context['message']}: {error!r}")
