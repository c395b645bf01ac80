"""The runtime put together: every part made, the journal recovered, the agents started, and all of it stopped again.

Rules:
- Nothing runs before the whole journal has been read.
- Stopping ends or drops running steps, commits, and closes; mailboxes stay in the journal.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from caxton_core.directory_descriptions import PlatformService
from caxton_core.errors import (
    Problem,
    StorageError,
    StorageFault,
    UntrustedModule,
)  # fmt: skip
from caxton_core.ports import Fault
from returns.result import Failure, Result, Success

from caxton_server.runtime import watermarks
from caxton_server.runtime.agents import Agents
from caxton_server.runtime.ams import Ams
from caxton_server.runtime.attempts import Attempts
from caxton_server.runtime.cells import Cell
from caxton_server.runtime.checkpoints import Checkpoints
from caxton_server.runtime.client_ids import ClientIds
from caxton_server.runtime.conversations import Conversations
from caxton_server.runtime.dead_letters import DeadLetters
from caxton_server.runtime.deployments import Deployments
from caxton_server.runtime.directory import Directory
from caxton_server.runtime.effects import Performer
from caxton_server.runtime.events import EventLog
from caxton_server.runtime.groups import Groups
from caxton_server.runtime.histories import Histories
from caxton_server.runtime.initiators import Initiators
from caxton_server.runtime.journal import Journal
from caxton_server.runtime.journal_drivers import ThreadDriver
from caxton_server.runtime.kernel import Kernel
from caxton_server.runtime.keys import Keys
from caxton_server.runtime.loop import Loop
from caxton_server.runtime.messages import Messages
from caxton_server.runtime.modules import Modules
from caxton_server.runtime.operators import Operators
from caxton_server.runtime.records import CODEC
from caxton_server.runtime.recovery import Recovery
from caxton_server.runtime.retention import Retention
from caxton_server.runtime.router import Router
from caxton_server.runtime.scheduler import Scheduler
from caxton_server.runtime.shortcut import Shortcut
from caxton_server.runtime.signatures import Signatures
from caxton_server.runtime.timers import Timers
from caxton_server.runtime.unfinished import check_finished, explained
from caxton_server.runtime.watermarks import Watermark

if TYPE_CHECKING:
    from caxton_core.budgets import Budget
    from caxton_core.ports import Clock, Entropy, Sandbox, Storage
    from caxton_core.registry import Registry
    from caxton_core.signatures import Trust

    from caxton_server.config import Config
    from caxton_server.runtime.folders import Folder
    from caxton_server.runtime.journal_drivers import Driver

STOP_SECONDS: Final = 2.0


class SystemClock:
    """The machine's clock."""

    def time_ms(self) -> int:
        """Return epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds from an arbitrary point."""
        return time.monotonic()


class Runtime:
    """The parts of one node, and what they share."""

    def __init__(
        self,
        config: Config,
        *,
        registry: Registry,
        storage: Storage,
        sandboxes: Mapping[str, Sandbox],
        folder: Folder | None = None,
        clock: Clock | None = None,
        entropy: Entropy = os.urandom,
        budget: Budget | None = None,
        make_driver: Callable[[], Driver] = ThreadDriver,
        attempts: Attempts | None = None,
    ) -> None:
        self.budget = budget
        self._make_driver = make_driver
        self.config, self.registry, self.storage, self.folder = config, registry, storage, folder
        self.platform = config.server.platform
        self.clock: Clock = clock or SystemClock()
        self.started_at = self.clock.monotonic()
        self.sandboxes = sandboxes
        self.running = False
        self._attempts = attempts
        self._watermark: Watermark | None = None
        self._entropy = entropy

    # Life

    async def start(self) -> Result[None, Problem]:
        """Open the storage, recover what the journal holds, start the agents, and begin to work."""
        trust = self.config.trust()
        if isinstance(trust, Failure):
            return Failure(trust.failure())
        journal = Journal(
            self.storage, clock=self.clock, codec=CODEC, make_driver=self._make_driver
        )
        opened = await asyncio.to_thread(journal.open)
        if isinstance(opened, Success):
            opened = await asyncio.to_thread(check_finished, self.storage)
        if isinstance(opened, Failure):
            refused = explained(opened.failure(), self.storage)
            await journal.close()
            return Failure(refused)
        started = await self._recover(journal, trust.unwrap())
        if isinstance(started, Failure):
            await journal.close()
        return started

    async def _recover(self, journal: Journal, trust: Trust) -> Result[None, Problem]:
        """Rebuild the node from its journal and begin to work."""
        self._assemble(journal, trust)
        interrupted = 0
        if self.folder is not None:
            attempts = Attempts.open(self.folder.mark)
            if isinstance(attempts, Failure):
                return Failure(attempts.failure())
            self._attempts = attempts.unwrap()
            watched = watermarks.watch(self.folder.watermark, journal)
            if isinstance(watched, Failure):
                return Failure(watched.failure())
            self._watermark = watched.unwrap()
        if self._attempts is not None:
            interrupted = int.from_bytes(self._attempts.read_after_crash() or b"", "little")
            self.scheduler.mark = _marker(self._attempts.mark)
        recovery = Recovery(self.kernel, self.agents_, self.conversations_, self.performer)
        try:
            await asyncio.to_thread(recovery.replay, journal.reader.recover())
        except StorageFault as fault:
            return Failure(explained(fault.error, self.storage))
        journal.start()
        try:
            await self._resume(journal, recovery, interrupted)
        except StorageFault as fault:
            return Failure(fault.error)
        return Success(None)

    async def _resume(self, journal: Journal, recovery: Recovery, interrupted: int) -> None:
        """Go on where the journal ends; raises `StorageFault` when that can't be stored."""
        to_start = recovery.finish(
            sandbox_of=lambda saved: self.modules_.sandbox_of(saved.manifest.profile) or "",
            interrupted=interrupted,
        )
        await journal.wait(journal.position)
        if self._attempts is not None:
            self._attempts.clear()
        await self.deployments_.recover()
        await self.initiators.attendances.recover(self.histories)
        for cell in to_start:
            await self._start_again(cell)
        self.loop.start()
        self.retention.start()
        self.running = True

    def _assemble(self, journal: Journal, trust: Trust) -> None:
        """Put the parts of the runtime together."""
        runtime = self.config.runtime
        self.kernel = kernel = Kernel(
            clock=self.clock,
            entropy=self._entropy,
            platform=self.platform,
            journal=journal,
            budget=self.budget,
        )
        self.timers = timers = Timers()
        protocols = {
            name: protocol for protocol in self.registry.protocols() for name in protocol.names
        }
        self.conversations_ = Conversations(
            kernel, timers, protocols, ttl_ms=int(runtime.conversation_ttl)
        )
        self.router = Router(kernel, self.conversations_)
        self.ams = Ams(kernel, self.conversations_)
        self.performer = Performer(kernel, self.router, self.conversations_, timers, self.ams)
        server = self.config.server
        offered = PlatformService(
            "rest", "caxton-rest", (f"http://{server.host}:{server.port}/api/v1",)
        )
        self.directory_ = self.performer.directory = Directory(
            kernel, self.conversations_, timers, self.ams, services=(offered,)
        )
        self.router.receivers.groups = Groups(kernel, self.directory_.registry)
        self.scheduler = self.ams.scheduler = self.performer.scheduler = Scheduler(
            kernel, self.performer, quantum=runtime.quantum
        )
        self.performer.shortcut = Shortcut(kernel, self.conversations_, self.scheduler)
        self.agents_ = Agents(
            kernel,
            self.router,
            self.conversations_,
            self.performer,
            self.scheduler,
            timers,
            self.sandboxes,
        )
        profiles = {
            profile: kind for kind in self.registry.sandboxes() for profile in kind.profiles
        }
        signatures = Signatures(kernel, trust, lambda event: self.conversations_.publish(event))
        self.modules_ = Modules(kernel, self.storage, self.sandboxes, profiles, signatures)
        strategies = {strategy.name: strategy for strategy in self.registry.strategies()}
        self.operators = Operators(kernel, self.agents_, self.modules_)
        self.deployments_ = Deployments(kernel, self.agents_, self.modules_, strategies)
        self.histories = Histories(kernel)
        ids = ClientIds(kernel)
        self.keys = Keys(ids)
        self.messages_ = Messages(kernel, self.router, self.performer, self.histories, ids)
        self.initiators = Initiators(kernel, self.conversations_, timers, self.messages_)
        self.dead_letters_ = DeadLetters(
            kernel, self.router, self.conversations_, self.performer, self.messages_
        )
        self.event_log = EventLog(kernel, self.storage)
        self.kernel.publish = self.conversations_.publish = self.event_log.publish
        journal.commits.on_commit.append(self.event_log.release)
        storage = self.config.storage
        self.checkpoints = Checkpoints(
            kernel, self.conversations_, self.directory_, every=int(storage.checkpoint)
        )
        self.retention = Retention(kernel, self.conversations_, self.event_log, storage.retention)
        self.loop = Loop(
            kernel, self.scheduler, timers,
            clear_mark=self._clear_mark, chores=self.checkpoints.work,
        )  # fmt: skip
        journal.commits.on_commit.append(self._go_on)

    async def _start_again(self, cell: Cell) -> None:
        """Start an agent that ran before; one whose module is gone or broken is failed."""
        loaded = await self.modules_.load(
            cell.module_digest, cell.manifest.profile, agent=cell.address
        )
        if isinstance(loaded, Failure):
            error = loaded.failure()
            reason = "untrusted-module" if isinstance(error, UntrustedModule) else "invalid-module"
            self.agents_.give_up(cell, Fault(reason, str(error)), why=reason)
            return
        self.agents_.supervisor.go_on(cell)

    def _go_on(self, _committed: int) -> None:
        """Have a checkpoint that waited for commits go on, though nobody else may want the thread."""
        if self.checkpoints.waits:
            self.loop.wake()

    def _clear_mark(self) -> None:
        if self._attempts is not None:
            self._attempts.clear()

    async def stop(self) -> Result[None, StorageError]:
        """End running steps or drop them, commit, and close; mailboxes stay in the journal.

        Fails when what was done last can't be stored; nobody has been told that it was.
        """
        self.running = False
        await self.retention.stop()
        await self.loop.stop(STOP_SECONDS)
        for cell in self.kernel.cells.values():
            # Nobody may call it any more: a deployment may still be under way, and would ask it for its state.
            guest, cell.guest = cell.guest, None
            if guest is not None:
                guest.close()
        closed = await self.kernel.journal.close()
        if self._attempts is not None:
            self._attempts.close()
        if self._watermark is not None:
            self._watermark.close()
        return closed


def _marker(mark: Callable[[bytes], None]) -> Callable[[int], None]:
    """Return a function that marks the delivery with a serial as the running one."""
    return lambda serial: mark(serial.to_bytes(16, "little"))
