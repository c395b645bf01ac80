"""The node: the one facade that REST, the CLI and embedders call; it puts the runtime together and starts it.

Rules:
- Everything public returns a `Result` of a view or an error Struct, or a view where nothing can go wrong.
- What was changed is durable, as far as the configuration says, before a method returns.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from caxton_core import __version__
from caxton_core.errors import (
    AgentNotFound,
    ConversationNotFound,
    InvalidTransition,
    NotFound,
    NotImplementedYet,
    Problem,
    StartFailed,
    StorageFault,
)  # fmt: skip
from caxton_core.ports import Fault
from caxton_core.views import (
    AcceptedView,
    AgentView,
    CheckView,
    ConversationView,
    DeadLetterView,
    DeployedView,
    DeploymentView,
    EventView,
    ExchangeView,
    HealthView,
    LogLine,
    MessageView,
    ModuleView,
    Page,
    PluginView,
    ServiceView,
    StatsView,
    VersionView,
)  # fmt: skip
from returns.result import Failure, Result, Success

from caxton_server.runtime import listings, samples
from caxton_server.runtime.agents import Agents
from caxton_server.runtime.attempts import Attempts
from caxton_server.runtime.cells import Cell
from caxton_server.runtime.conversations import Conversations
from caxton_server.runtime.dead_letters import DeadLetters
from caxton_server.runtime.deployments import Deployments
from caxton_server.runtime.effects import Performer
from caxton_server.runtime.events import EventLog
from caxton_server.runtime.histories import Histories
from caxton_server.runtime.initiators import ConversationSpec, Initiators
from caxton_server.runtime.journal import Journal
from caxton_server.runtime.kernel import Kernel
from caxton_server.runtime.loop import Loop
from caxton_server.runtime.messages import Messages
from caxton_server.runtime.modules import Modules
from caxton_server.runtime.records import CODEC
from caxton_server.runtime.recovery import Recovery
from caxton_server.runtime.router import Router
from caxton_server.runtime.samples import NodeSample
from caxton_server.runtime.scheduler import Scheduler
from caxton_server.runtime.timers import Timers

if TYPE_CHECKING:
    from caxton_core.ports import Clock, Entropy, Sandbox, Storage
    from caxton_core.registry import Registry
    from caxton_core.resources import Manifest

    from caxton_server.config import Config
    from caxton_server.runtime.folders import Folder

NodeError: TypeAlias = Problem
VERBS: Final = ("start", "stop", "drain", "restart", "suspend", "resume")
STOP_SECONDS: Final = 2.0
LOG_BACKLOG: Final = 1000


class SystemClock:
    """The machine's clock."""

    def time_ms(self) -> int:
        """Return epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds from an arbitrary point."""
        return time.monotonic()


class Node:
    """One running Caxton, without its network side."""

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
    ) -> None:
        self.config, self.registry, self.storage, self.folder = config, registry, storage, folder
        self.platform = config.server.platform
        self.clock: Clock = clock or SystemClock()
        self.started_at = self.clock.monotonic()
        self.sandboxes = sandboxes
        self.running = False
        self._attempts: Attempts | None = None
        self._entropy = entropy

    # Life

    async def start(self) -> Result[None, NodeError]:
        """Open the storage, recover what the journal holds, start the agents, and begin to work."""
        journal = Journal(self.storage, clock=self.clock, codec=CODEC)
        opened = await asyncio.to_thread(journal.open)
        if isinstance(opened, Failure):
            return Failure(opened.failure())
        self._assemble(journal)
        interrupted = 0
        if self.folder is not None:
            attempts = Attempts.open(self.folder.mark)
            if isinstance(attempts, Failure):
                return Failure(attempts.failure())
            self._attempts = attempts.unwrap()
            interrupted = int.from_bytes(self._attempts.read_after_crash() or b"", "little")
            self.scheduler.mark = _marker(self._attempts.mark)
        recovery = Recovery(self.kernel, self.agents_, self.conversations_, self.performer)
        try:
            await asyncio.to_thread(recovery.replay, journal.recover())
        except StorageFault as fault:
            return Failure(fault.error)
        journal.start()
        to_start = recovery.finish(
            sandbox_of=lambda saved: self.modules_.sandbox_of(saved.manifest.profile) or "",
            interrupted=interrupted,
        )
        await journal.wait(journal.position)
        if self._attempts is not None:
            self._attempts.clear()
        for cell in to_start:
            await self._start_again(cell)
        self.loop.start()
        self.running = True
        return Success(None)

    def _assemble(self, journal: Journal) -> None:
        """Put the parts of the runtime together."""
        runtime = self.config.runtime
        self.kernel = kernel = Kernel(
            clock=self.clock, entropy=self._entropy, platform=self.platform, journal=journal
        )
        self.timers = timers = Timers()
        protocols = {
            name: protocol for protocol in self.registry.protocols() for name in protocol.names
        }
        self.conversations_ = Conversations(
            kernel, timers, protocols, ttl_ms=int(runtime.conversation_ttl)
        )
        self.router = Router(kernel, self.conversations_)
        self.performer = Performer(kernel, self.router, self.conversations_, timers)
        self.scheduler = self.performer.scheduler = Scheduler(
            kernel, self.performer, quantum=runtime.quantum
        )
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
            profile: kind.name for kind in self.registry.sandboxes() for profile in kind.profiles
        }
        self.modules_ = Modules(kernel, self.storage, self.sandboxes, profiles)
        strategies = {strategy.name: strategy for strategy in self.registry.strategies()}
        self.deployments_ = Deployments(kernel, self.agents_, self.modules_, strategies)
        self.messages_ = Messages(kernel, self.router, self.performer)
        self.histories = Histories(kernel)
        self.initiators = Initiators(kernel, self.conversations_, timers, self.messages_)
        self.dead_letters_ = DeadLetters(kernel, self.router, self.conversations_, self.performer)
        self.event_log = EventLog(kernel, self.storage)
        self.conversations_.publish = self.event_log.publish
        journal.on_commit.append(self.event_log.release)
        self.loop = Loop(kernel, self.scheduler, timers, clear_mark=self._clear_mark)

    async def _start_again(self, cell: Cell) -> None:
        """Start an agent that ran before; one whose module is gone or broken is failed."""
        loaded = await self.modules_.load(cell.module_digest, cell.manifest.profile)
        if isinstance(loaded, Failure):
            self.agents_.give_up(cell, Fault("invalid-module", str(loaded.failure())))
            return
        self.agents_.revive(cell)

    def _clear_mark(self) -> None:
        if self._attempts is not None:
            self._attempts.clear()

    async def stop(self) -> None:
        """End running steps or drop them, commit, and close; mailboxes stay in the journal."""
        self.running = False
        await self.loop.stop(STOP_SECONDS)
        for cell in self.kernel.cells.values():
            if cell.guest is not None:
                cell.guest.close()
        await self.kernel.journal.close()
        if self._attempts is not None:
            self._attempts.close()

    # Health

    def health(self) -> HealthView:
        """Show the node in one look."""
        counts: dict[str, int] = {}
        for cell in self.kernel.cells.values() if self.running else ():
            counts[cell.state] = counts.get(cell.state, 0) + 1
        status = "ok" if self.running and self.kernel.journal.failing is None else "degraded"
        uptime = round(self.clock.monotonic() - self.started_at, 3)
        return HealthView(
            status, __version__, self.platform, uptime, counts, self.storage.durability
        )

    def ready(self) -> list[CheckView]:
        """Say whether the node can take work, check by check."""
        if not self.running:
            return [CheckView("node", ok=False, detail="not running")]
        failing = self.kernel.journal.failing
        storage = CheckView(
            "storage", ok=failing is None, detail="" if failing is None else str(failing)
        )
        congested = self.kernel.journal.congested
        return [
            CheckView("node", ok=True), storage,
            CheckView("journal", ok=not congested, detail="too much is uncommitted" if congested else ""),
        ]  # fmt: skip

    def sample(self) -> NodeSample:
        """Return the node's counters."""
        return samples.take(self.kernel, self.conversations_)

    def plugins(self) -> list[PluginView]:
        """List the plugins."""
        return [
            PluginView(plugin.name, plugin.distribution, plugin.version, list(plugin.provides))
            for plugin in self.registry.plugins()
            if not plugin.blocked
        ]

    # Modules

    async def push_module(
        self, data: bytes, profile: str | None = None
    ) -> Result[ModuleView, NodeError]:
        """Check a module and keep it."""
        return await self.modules_.push(data, profile)

    async def modules(self, *, limit: int, cursor: str | None) -> Page[ModuleView]:
        """List modules by digest."""
        return await self.modules_.list(limit=limit, cursor=cursor)

    async def module(self, digest: str) -> Result[ModuleView, NotFound]:
        """Show a module."""
        return await self.modules_.show(digest)

    async def remove_module(self, digest: str) -> Result[None, NodeError]:
        """Forget a module nobody runs."""
        return await self.modules_.remove(digest)

    # Agents and deployments

    async def deploy(
        self, manifest: Manifest, module: bytes | None
    ) -> Result[DeployedView, NodeError]:
        """Deploy the first version of an agent; it runs when this returns."""
        done = await self.deployments_.deploy(manifest, module)
        return done.map(lambda pair: DeployedView(listings.agent_view(pair[0]), pair[1]))

    async def update(
        self, manifest: Manifest, module: bytes | None, *, strategy: str = "direct"
    ) -> Result[DeployedView, NodeError]:
        """Move an agent to a new version; the first one if there is no such agent."""
        if strategy not in self.deployments_.strategies:
            return Failure(NotImplementedYet(f"the strategy {strategy}"))
        found = self.kernel.find(manifest.name)
        cell = found if isinstance(found, Cell) else None
        done = await self.deployments_.deploy(manifest, module, strategy=strategy, cell=cell)
        return done.map(lambda pair: DeployedView(listings.agent_view(pair[0]), pair[1]))

    async def deployments(self, *, limit: int, cursor: str | None) -> Page[DeploymentView]:
        """List deployments, oldest first."""
        return await self.deployments_.list(limit=limit, cursor=cursor)

    async def deployment(self, deployment_id: str) -> Result[DeploymentView, NotFound]:
        """Show a deployment."""
        return await self.deployments_.show(deployment_id)

    def _cell(self, ref: str) -> Result[Cell, AgentNotFound]:
        found = self.kernel.find(ref)
        return Success(found) if isinstance(found, Cell) else Failure(AgentNotFound(ref))

    def agents(
        self, *, state: str | None = None, name: str | None = None, service: str | None = None,
        limit: int = 100, cursor: str | None = None,
    ) -> Page[AgentView]:  # fmt: skip
        """List agents by name."""
        return listings.agents(
            self.kernel, state=state, name=name, service=service, limit=limit, cursor=cursor
        )

    def agent(self, ref: str) -> Result[AgentView, AgentNotFound]:
        """Show an agent."""
        return self._cell(ref).map(listings.agent_view)

    def stats(self, ref: str) -> Result[StatsView, AgentNotFound]:
        """Show what an agent uses."""
        return self._cell(ref).map(lambda cell: listings.stats_view(cell, self.fuel_per_ms))

    @property
    def fuel_per_ms(self) -> int:
        """Return the calibrated fuel of a millisecond."""
        return (
            max((getattr(box, "fuel_per_ms", 0) for box in self.sandboxes.values()), default=0)
            or listings.FUEL_PER_MS
        )

    def versions(self, ref: str) -> Result[list[VersionView], AgentNotFound]:
        """Show an agent's versions."""
        return self._cell(ref).map(listings.versions)

    async def control(self, ref: str, verb: str) -> Result[AgentView, NodeError]:
        """Start, stop, drain, restart, suspend or resume an agent."""
        match self._cell(ref):
            case Success(cell):
                pass
            case missing:
                return Failure(missing.failure())
        done: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()
        self.kernel.tick()
        refused: InvalidTransition | None = self.agents_.control(
            cell, verb, lambda fault: None if done.done() else done.set_result(fault)
        )
        if refused is not None:
            return Failure(refused)
        fault = await done
        await self.kernel.journal.wait(self.kernel.journal.position)
        if fault is not None:
            return Failure(StartFailed(cell.name, fault.reason, fault.detail))
        return Success(listings.agent_view(cell))

    async def remove_agent(self, ref: str) -> Result[None, NodeError]:
        """Remove an agent; its mailbox is answered with failures."""
        match self._cell(ref):
            case Success(cell):
                self.kernel.tick()
                self.agents_.remove(cell)
                await self.kernel.journal.wait(self.kernel.journal.position)
                return Success(None)
            case missing:
                return Failure(missing.failure())

    def logs(self, ref: str, *, after: int = 0) -> Result[list[LogLine], AgentNotFound]:
        """Show an agent's latest log lines."""
        return self._cell(ref).map(lambda cell: cell.logs.read(after))

    async def follow_logs(self, ref: str, *, after: int = 0) -> AsyncIterator[LogLine]:
        """Yield an agent's log lines as they are written; ends with the agent."""
        match self._cell(ref):
            case Success(cell):
                pass
            case _:
                return
        queue: asyncio.Queue[LogLine] = asyncio.Queue(LOG_BACKLOG)

        def follow(line: LogLine) -> None:
            if not queue.full():
                queue.put_nowait(line)

        cell.logs.followers.append(follow)
        try:
            for line in cell.logs.read(after):
                yield line
            while True:
                yield await queue.get()
        finally:
            cell.logs.followers.remove(follow)

    # Messages and conversations

    async def send(self, body: bytes) -> Result[AcceptedView, NodeError]:
        """Route a message of the API agent."""
        return await self.messages_.send(body)

    async def request(self, body: bytes, *, wait: float) -> Result[ExchangeView, NodeError]:
        """Route a message of the API agent and wait for its reply."""
        return await self.messages_.request(body, wait=wait)

    async def messages(
        self,
        *,
        conversation_id: str | None = None,
        agent: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Result[Page[MessageView], AgentNotFound]:
        """List messages in the order in which they were sent."""
        return await self.histories.messages(
            conversation_id=conversation_id, agent=agent, limit=limit, cursor=cursor
        )

    async def message(self, message_id: str) -> Result[MessageView, NotFound]:
        """Show a message with its delivery history."""
        return await self.histories.message(message_id)

    async def start_conversation(
        self, spec: ConversationSpec
    ) -> Result[ConversationView, NodeError]:
        """Open a conversation with the server as its initiator."""
        return await self.initiators.start(spec)

    async def conversations(
        self,
        *,
        state: str | None = None,
        protocol: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[ConversationView]:
        """List conversations by id, open and closed ones."""
        return await self.initiators.list(
            state=state, protocol=protocol, limit=limit, cursor=cursor
        )

    async def conversation(
        self, conversation_id: str
    ) -> Result[ConversationView, ConversationNotFound]:
        """Show a conversation."""
        return await self.initiators.show(conversation_id)

    async def cancel_conversation(
        self, conversation_id: str
    ) -> Result[ConversationView, NodeError]:
        """Ask the participants to end a conversation that the server initiated."""
        return await self.initiators.cancel(conversation_id)

    async def dead_letters(
        self, *, limit: int = 100, cursor: str | None = None
    ) -> Page[DeadLetterView]:
        """List dead letters, oldest first."""
        return await self.dead_letters_.list(limit=limit, cursor=cursor)

    async def redrive(self, letter_id: str) -> Result[AcceptedView, NodeError]:
        """Send a dead letter again."""
        return await self.dead_letters_.redrive(letter_id)

    async def remove_dead_letter(self, letter_id: str) -> Result[None, NotFound]:
        """Forget a dead letter."""
        return await self.dead_letters_.remove(letter_id)

    def events(
        self, *, types: Iterable[str] | None = None, agent: str | None = None, conversation: str | None = None,
        after: int | None = None,
    ) -> AsyncIterator[EventView]:  # fmt: skip
        """Follow the event log."""
        if agent is not None:
            found = self.kernel.find(agent)
            agent = agent if found is None else found.address
        wanted = None if types is None else frozenset(types)
        return self.event_log.follow(
            types=wanted, agent=agent, conversation=conversation, after=after
        )

    def directory(
        self, *, type: str | None = None, name: str | None = None, protocol: str | None = None
    ) -> list[ServiceView]:
        """List the services that running agents offer."""
        return listings.directory(self.kernel, type=type, name=name, protocol=protocol)


def _marker(mark: Callable[[bytes], None]) -> Callable[[int], None]:
    """Return a function that marks the delivery with a serial as the running one."""
    return lambda serial: mark(serial.to_bytes(16, "little"))
