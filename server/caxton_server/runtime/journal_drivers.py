"""Drivers: what runs the journal's writer, and lets it wait.

Rules:
- The writer is a coroutine, and its driver is the only thing that it awaits.
- In a node the driver is a thread: there, to wait is to block, and the coroutine is never suspended. In a simulation
  it is a task of the simulated loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from caxton_server.runtime.journal_groups import Turn

T = TypeVar("T")


class Driver(Protocol):
    """Runs one writer and holds the queue before it; `put` and `finish` are called on the loop's thread."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin to run the writer."""

    def put(self, turn: Turn | None) -> None:
        """Queue a turn; None is the end."""

    async def get(self, seconds: float | None) -> Turn | None:
        """Return the next of the queue; raises `queue.Empty` when there is none for so many seconds."""

    def get_nowait(self) -> Turn | None:
        """Return the next of the queue, or raise `queue.Empty`."""

    async def call(self, call: Callable[[], T]) -> T:
        """Make a call of the storage, which blocks."""

    async def given_up(self, seconds: float) -> bool:
        """Wait for so many seconds; true at once when there is no use in trying again."""

    async def finish(self, patience: float) -> None:
        """Return when the writer has ended; after so many seconds it is to give up, and is waited for once more."""

    @property
    def alive(self) -> bool:
        """Whether the writer runs, and may be using the storage."""


class ThreadDriver:
    """Runs a writer on a thread of its own."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Turn | None] = queue.SimpleQueue()
        self.put = self._queue.put
        self.get_nowait = self._queue.get_nowait
        self._giving_up = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start the thread."""
        self._thread = threading.Thread(
            target=_run, args=(work,), name="caxton-journal", daemon=True
        )
        self._thread.start()

    async def get(self, seconds: float | None) -> Turn | None:
        """Block until there is something, or for so many seconds."""
        return self._queue.get(timeout=seconds)

    async def call(self, call: Callable[[], T]) -> T:
        """Call."""
        return call()

    async def given_up(self, seconds: float) -> bool:
        """Block for so many seconds, or until it is to give up."""
        return self._giving_up.wait(seconds)

    async def finish(self, patience: float) -> None:
        """Wait for the thread elsewhere, so that the loop goes on."""
        await asyncio.to_thread(self._join, patience)

    def _join(self, patience: float) -> None:
        if self._thread is not None:
            self._thread.join(patience)
            self._giving_up.set()
            self._thread.join(patience)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine whose every wait blocks, and which is therefore never suspended."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("a writer on a thread waited for something that did not block")
