"""The node: the one facade that REST, the CLI and embedders call; it puts the runtime together and starts it.

Rules:
- Everything public returns a `Result` of a view or an error Struct, or a view where nothing can go wrong.
- What was changed is durable, as far as the configuration says, before a method returns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from caxton_core.errors import (
    AgentNotFound,
    ConversationNotFound,
    KeyReused,
    KeyUnderWay,
    NotFound,
    Problem,
)  # fmt: skip
from caxton_core.initiators import ConversationSpec
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

from caxton_server.runtime import listings, logs, probes, samples, streams
from caxton_server.runtime.assembly import Runtime
from caxton_server.runtime.cells import Cell
from caxton_server.runtime.samples import NodeSample

if TYPE_CHECKING:
    from caxton_core.resources import Manifest
    from caxton_core.signatures import Signature

    from caxton_server.runtime.keys import Claim, Kept


class Node(Runtime):
    """One running Caxton, without its network side."""

    # Health

    def health(self) -> HealthView:
        """Show the node in one look."""
        return probes.health(self)

    def ready(self) -> list[CheckView]:
        """Say whether the node can take work, check by check."""
        return probes.ready(self)

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
        self, data: bytes, profile: str | None = None, *, signature: Signature | None = None,
        claim: Claim | None = None,
    ) -> Result[ModuleView, Problem]:  # fmt: skip
        """Check a module and keep it."""
        return await self.modules_.push(data, profile, signature=signature, claim=claim)

    async def modules(self, *, limit: int, cursor: str | None) -> Page[ModuleView]:
        """List modules by digest."""
        return await self.modules_.list(limit=limit, cursor=cursor)

    async def module(self, digest: str) -> Result[ModuleView, NotFound]:
        """Show a module."""
        return await self.modules_.show(digest)

    async def remove_module(self, digest: str) -> Result[None, Problem]:
        """Forget a module nobody runs."""
        return await self.modules_.remove(digest)

    # Agents and deployments

    async def deploy(
        self, manifest: Manifest, module: bytes | None, *, signature: Signature | None = None,
        claim: Claim | None = None,
    ) -> Result[DeployedView, Problem]:  # fmt: skip
        """Deploy the first version of an agent; it runs when this returns."""
        return await self.deployments_.deploy(manifest, module, signature=signature, claim=claim)

    async def update(
        self, manifest: Manifest, module: bytes | None, *, signature: Signature | None = None,
        strategy: str = "direct", claim: Claim | None = None,
    ) -> Result[DeployedView, Problem]:  # fmt: skip
        """Move an agent to a new version; the first one if there is no such agent."""
        return await self.deployments_.update(
            manifest, module, signature=signature, strategy=strategy, claim=claim
        )

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
        now = self.kernel.tick()
        return self._cell(ref).map(
            lambda cell: listings.stats_view(cell, self._fuel_per_ms(cell), now=now)
        )

    def _fuel_per_ms(self, cell: Cell) -> int:
        return self.sandboxes[cell.sandbox].fuel_per_ms(cell.manifest.profile)

    def versions(self, ref: str) -> Result[list[VersionView], AgentNotFound]:
        """Show an agent's versions."""
        return self._cell(ref).map(listings.versions)

    async def control(
        self, ref: str, verb: str, *, claim: Claim | None = None
    ) -> Result[AgentView, Problem]:
        """Start, stop, drain, restart, suspend or resume an agent."""
        match self._cell(ref):
            case Success(cell):
                return await self.operators.control(cell, verb, claim=claim)
            case missing:
                return Failure(missing.failure())

    async def remove_agent(self, ref: str) -> Result[None, Problem]:
        """Remove an agent; its mailbox is answered with failures."""
        match self._cell(ref):
            case Success(cell):
                await self.operators.remove(cell)
                return Success(None)
            case missing:
                return Failure(missing.failure())

    def logs(self, ref: str, *, after: int = 0) -> Result[list[LogLine], AgentNotFound]:
        """Show an agent's latest log lines."""
        return self._cell(ref).map(lambda cell: cell.logs.read(after))

    def follow_logs(self, ref: str, *, after: int = 0) -> AsyncIterator[LogLine]:
        """Yield an agent's log lines as they are written; none of an agent that is not there."""
        found = self.kernel.find(ref)
        return logs.follow(found.logs if isinstance(found, Cell) else None, after)

    # Messages and conversations

    async def claim(
        self, client: str, key: str, digest: str
    ) -> Result[Claim | Kept, KeyReused | KeyUnderWay]:
        """Claim an Idempotency-Key for a request; what it had been answered before is the answer again."""
        return await self.keys.begin(client, key, digest)

    async def send(
        self, body: bytes, *, claim: Claim | None = None
    ) -> Result[AcceptedView, Problem]:
        """Route a message of the API agent."""
        return await self.messages_.send(body, claim=claim)

    async def request(
        self, body: bytes, *, wait: float, claim: Claim | None = None
    ) -> Result[ExchangeView, Problem]:
        """Route a message of the API agent and wait for its reply."""
        return await self.messages_.request(body, wait=wait, claim=claim)

    async def messages(
        self, *, conversation_id: str | None = None, agent: str | None = None, limit: int = 100,
        cursor: str | None = None,
    ) -> Result[Page[MessageView], AgentNotFound]:  # fmt: skip
        """List messages in the order in which they were sent."""
        return await self.histories.messages(
            conversation_id=conversation_id, agent=agent, limit=limit, cursor=cursor
        )

    async def message(self, message_id: str) -> Result[MessageView, NotFound]:
        """Show a message with its delivery history."""
        return await self.histories.message(message_id)

    async def start_conversation(
        self, spec: ConversationSpec, *, claim: Claim | None = None
    ) -> Result[ConversationView, Problem]:
        """Open a conversation with the server as its initiator."""
        return await self.initiators.start(spec, claim=claim)

    async def conversations(
        self, *, state: str | None = None, protocol: str | None = None, limit: int = 100,
        cursor: str | None = None,
    ) -> Page[ConversationView]:  # fmt: skip
        """List conversations by id, open and closed ones."""
        return await self.initiators.list(
            state=state, protocol=protocol, limit=limit, cursor=cursor
        )

    async def conversation(
        self, conversation_id: str
    ) -> Result[ConversationView, ConversationNotFound]:
        """Show a conversation."""
        return await self.initiators.show(conversation_id)

    def follow_messages(
        self, conversation_id: str, *, after: int = 0
    ) -> AsyncIterator[tuple[int, MessageView]]:
        """Yield the messages of a conversation behind a serial as they become durable, until it ends."""
        return streams.follow(conversation_id, after, self.conversations_, self.histories)

    async def cancel_conversation(
        self, conversation_id: str, *, claim: Claim | None = None
    ) -> Result[ConversationView, Problem]:
        """Ask the participants to end a conversation that the server initiated."""
        return await self.initiators.cancel(conversation_id, claim=claim)

    async def dead_letters(
        self, *, limit: int = 100, cursor: str | None = None
    ) -> Page[DeadLetterView]:
        """List dead letters, oldest first."""
        return await self.dead_letters_.list(limit=limit, cursor=cursor)

    async def redrive(
        self, letter_id: str, *, claim: Claim | None = None
    ) -> Result[AcceptedView, Problem]:
        """Send a dead letter again."""
        return await self.dead_letters_.redrive(letter_id, claim=claim)

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
        self, *, type: str | None = None, name: str | None = None, protocol: str | None = None,
        limit: int = 100, cursor: str | None = None,
    ) -> Page[ServiceView]:  # fmt: skip
        """List the services that agents offer, by agent."""
        self.kernel.tick()
        return self.directory_.registry.services(
            type=type, name=name, protocol=protocol, limit=limit, cursor=cursor
        )
