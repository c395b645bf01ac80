"""Lives: one node from its start to its end, which may come at any moment.

Rules:
- What belongs to a life dies with it: its tasks are cancelled, its storage is cut off, and nobody outside hears of it
  any more. Only what was durable is there for the next one.
- Callers outside never touch the node's objects between their calls: they learn what a client of a server learns.
"""

from __future__ import annotations

import asyncio
import contextvars
import mmap
from collections.abc import Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from caxton_core.errors import StorageFault
from caxton_core.testing_faults import FaultRates, FaultyStorage
from returns.result import Failure

from caxton_server.runtime.attempts import Attempts
from caxton_server.runtime.node import Node
from caxton_server.simulation.agents import NodeKilled
from caxton_server.simulation.drivers import SimulatedDriver
from caxton_server.simulation.invariants import Broken, broken
from caxton_server.simulation.loop import OWNER
from caxton_server.simulation.models import Model

if TYPE_CHECKING:
    from caxton_server.simulation.worlds import World

T = TypeVar("T")


class Lost(Exception):
    """No answer came: the node died or took too long, and what was asked may have been done or not."""


class Life:
    """One node and what is its own."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        plan = world.plan
        chance = Random(f"{world.seed} life {number}")
        self.tasks: list[asyncio.Task[Any]] = []
        self._context = contextvars.copy_context()
        self._context.run(OWNER.set, self.tasks)
        self.storage = FaultyStorage(
            world.witness,
            chance=chance.random,
            rates=FaultRates() if world.healed else plan.rates,
        )
        self.fate: asyncio.Future[str] = world.loop.create_future()
        """How it ends, once that is decided."""
        self.over = False
        self.gone = asyncio.Event()
        """Set when it is buried."""
        self.node = Node(
            world.config,
            registry=world.registry,
            storage=self.storage,
            sandboxes={"scripts": world.sandbox},
            clock=world.clock,
            entropy=chance.randbytes,
            make_driver=lambda: SimulatedDriver(
                world.ledger, chance=chance, commit_seconds=plan.commit_seconds, slow=plan.slow
            ),
            attempts=Attempts(world.mark),
        )

    def end(self, how: str) -> None:
        """Decide that it ends, unless that is decided already."""
        if not self.fate.done():
            self.fate.set_result(how)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something inside, as long as it lives."""
        tasks = self.tasks
        if self.over:
            work.close()
            raise Lost
        if len(tasks) > 64:
            tasks[:] = [task for task in tasks if not task.done()]
        task = self.world.loop.create_task(work, context=self._context)
        # Whoever asked may be gone when it ends: nobody need hear of that.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def begin(self) -> bool:
        """Start the node; false when its storage did not let it."""
        started = await self.node.start()
        if isinstance(started, Failure):
            self.world.tell("a node could not start: %s", started.failure())
            return False
        self.examine("prefix")
        return True

    def examine(self, invariant: str) -> None:
        """Hold what the node is against what its journal was given."""
        if self.storage.is_cut:
            return
        self.check_loop()
        self.node.kernel.journal.flush()
        for difference in Model(self.world.ledger.turns).differences(self.node):
            raise broken(invariant, difference)

    async def ask(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Ask something of the node from outside."""
        self.check_loop()
        task = self.spawn(work)
        await asyncio.wait({task}, timeout=seconds)
        if (
            self.world.life is not self
            or not task.done()
            or task.cancelled()
            or self.storage.is_cut
        ):
            raise Lost
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, StorageFault):
            # What could not be stored in time, and may be later.
            raise Lost from error
        raise broken("errors", f"a call of the node raised {error!r}") from error

    async def die(self) -> None:
        """End at once: nothing gets out any more, and nothing goes on."""
        self.storage.cut()
        self.over = True
        left = [task for task in self.tasks if not task.done()]
        while left:
            for task in left:
                task.cancel()
            # Not once: `asyncio.wait_for` may swallow the cancellation of what it waits for.
            await asyncio.wait(left, timeout=0.001)
            left = [task for task in self.tasks if not task.done()]
        for task in self.tasks:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Broken):
                raise error
            if error is not None and not isinstance(error, StorageFault | NodeKilled | Lost):
                raise broken("errors", f"{task.get_name()} raised {error!r}") from error

    def check_loop(self) -> None:
        """See whether the kernel's loop has come upon a bug."""
        if self.node.running and self.node.loop.failed:
            raise broken("errors", f"the kernel's loop ended: {self.node.loop.failed}")


def new_mark() -> mmap.mmap:
    """Return the file of the running message's mark, without a file."""
    return mmap.mmap(-1, 64)
