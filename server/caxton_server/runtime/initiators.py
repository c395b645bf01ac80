"""The server as initiator of conversations: opens them, attends to them until they end, reports the result.

Rules:
- What the server says goes through the router like anybody's message, from `api@<platform>`.
- What it needs to know to go on after a restart is a row that is committed with the opener and gone with the end.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from caxton_core.conversations import Conversation
from caxton_core.errors import (
    Conflict,
    ConversationNotFound,
    InvalidMessage,
    InvalidValue,
    Problem,
    Timeout,
    UnknownProtocol,
)  # fmt: skip
from caxton_core.messages import Draft, Performative
from caxton_core.ports import Row
from caxton_core.resources import nearest
from caxton_core.selections import Selection, parse_selection
from caxton_core.units import Duration
from caxton_core.views import ConversationView, Page
from returns.result import Failure, Result, Success

from caxton_server.runtime.initiator import Initiator

if TYPE_CHECKING:
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.histories import Histories
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.messages import Messages
    from caxton_server.runtime.timers import Timers

REPLY_BY = "+30s"
TTL_MS = 300_000
_PREFIX = "initiator:"
_ROWS_AT_ONCE = 500


class ConversationSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the server is to open."""

    protocol: str
    participants: list[str]
    content: Any = None
    reply_by: str | None = None
    select: dict[str, str] | None = None
    wait: str | None = None
    ttl: str | None = None
    ontology: str | None = None
    language: str | None = None


def opener(
    spec: ConversationSpec, conversations: Conversations, conversation_id: str
) -> Result[Draft, UnknownProtocol]:
    """Return the message that opens a conversation."""
    protocol = conversations.protocols.get(spec.protocol)
    if protocol is None:
        return Failure(
            UnknownProtocol(spec.protocol, nearest(spec.protocol, conversations.protocols))
        )
    act = next(iter(protocol.openers))
    reply_by = spec.reply_by
    if reply_by is None and protocol.name == "fipa-contract-net":
        reply_by = REPLY_BY
    return Success(
        Draft(
            Performative(act), receiver=list(spec.participants),
            content=msgspec.UNSET if spec.content is None else spec.content,
            protocol=protocol.name, conversation_id=conversation_id, reply_by=reply_by,
            ontology=spec.ontology, language=spec.language,
        )
    )  # fmt: skip


def selection_of(spec: ConversationSpec) -> Result[Selection | None, InvalidValue]:
    """Read the selection rule of a specification."""
    if spec.select is None:
        return Success(None)
    found: Result[Selection | None, InvalidValue] = parse_selection(spec.select)
    return found


class Initiators:
    """Opens conversations for the API, and shows all there are."""

    def __init__(
        self, kernel: Kernel, conversations: Conversations, timers: Timers, messages: Messages
    ) -> None:
        self.kernel, self.conversations, self.timers, self.messages = (
            kernel,
            conversations,
            timers,
            messages,
        )
        self.storage = kernel.journal.storage

    async def start(self, spec: ConversationSpec) -> Result[ConversationView, Problem]:
        """Open a conversation; with `wait`, return when it has ended."""
        kernel = self.kernel
        behind = self.messages.behind()
        if behind is not None:
            return Failure(behind)
        kernel.tick()
        conversation_id = kernel.uuids.next(kernel.now)
        selection = selection_of(spec)
        if isinstance(selection, Failure):
            return Failure(InvalidMessage(f"{selection.failure()} - at `$.select`"))
        durations = [_duration(spec.wait, "wait"), _duration(spec.ttl, "ttl")]
        for duration in durations:
            if isinstance(duration, Failure):
                return Failure(duration.failure())
        wait, ttl = durations[0].unwrap(), durations[1].unwrap()
        draft = opener(spec, self.conversations, conversation_id)
        if isinstance(draft, Failure):
            return Failure(draft.failure())
        _, ended = self._attend(conversation_id, selection.unwrap())
        self.conversations.lifetimes[conversation_id] = TTL_MS if ttl is None else ttl
        routed = self.messages.route(draft.unwrap())
        if isinstance(routed, Failure):
            for table in (
                kernel.listeners,
                self.conversations.listeners,
                self.conversations.lifetimes,
            ):
                table.pop(conversation_id, None)
            return Failure(routed.failure())
        if self.conversations.open.get(conversation_id) is not None:
            key, body = _PREFIX + conversation_id, msgspec.json.encode(selection.unwrap())
            kernel.journal.put_row(Row("meta", key, {}, body))
        await kernel.journal.wait(kernel.journal.position)
        if wait is not None:
            try:
                await asyncio.wait_for(asyncio.shield(ended), wait / 1000)
            except TimeoutError:
                return Failure(Timeout("end of the conversation", wait / 1000))
            await kernel.journal.wait(kernel.journal.position)
        return await self.show(conversation_id)

    def _attend(
        self, conversation_id: str, selection: Selection | None
    ) -> tuple[Initiator, asyncio.Future[None]]:
        """Listen to a conversation until it ends, which completes the future."""
        kernel, conversations = self.kernel, self.conversations
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        initiator = Initiator(
            conversation_id, selection, kernel, conversations, self.timers, self.messages.route
        )

        def moved(conversation: Conversation) -> None:
            initiator.moved(conversation)
            if not conversation.open_legs:
                kernel.listeners.pop(conversation_id, None)
                conversations.listeners.pop(conversation_id, None)
                kernel.journal.put_row(Row("meta", _PREFIX + conversation_id, {}, deleted=True))
                if not ended.done():
                    ended.set_result(None)

        kernel.listeners[conversation_id] = [initiator.heard]
        conversations.listeners[conversation_id] = [moved]
        return initiator, ended

    async def recover(self, histories: Histories) -> None:
        """Attend again to the conversations that were open when the node ended."""
        after = _PREFIX
        while True:
            rows = await asyncio.to_thread(
                self.storage.list, "meta", {}, after=after, limit=_ROWS_AT_ONCE
            )
            for row in rows:
                if row.key.startswith(_PREFIX):
                    await self._go_on(row, histories)
            if len(rows) < _ROWS_AT_ONCE or not rows[-1].key.startswith(_PREFIX):
                return
            after = rows[-1].key

    async def _go_on(self, row: Row, histories: Histories) -> None:
        """Be again where the server was in a conversation: its proposals are in the journal."""
        conversation_id = row.key.removeprefix(_PREFIX)
        conversation = self.conversations.open.get(conversation_id)
        if conversation is None:
            self.kernel.journal.put_row(Row("meta", row.key, {}, deleted=True))
            return
        selection = msgspec.json.decode(row.body, type=Selection | None)
        initiator, _ = self._attend(conversation_id, selection)
        for message in await histories.heard(conversation_id):
            initiator.heard(message)
        initiator.resume(conversation)

    async def show(self, conversation_id: str) -> Result[ConversationView, ConversationNotFound]:
        """Show a conversation, from memory while it is open, else from its row."""
        known = self.conversations.open.get(conversation_id)
        if known is not None:
            self.kernel.tick()
            return Success(self.conversations.view(known))
        await self.kernel.journal.readable()
        row = await asyncio.to_thread(self.storage.get, "conversations", conversation_id)
        if row is None:
            return Failure(ConversationNotFound(conversation_id))
        return Success(msgspec.json.decode(row.body, type=ConversationView))

    async def list(
        self, *, state: str | None, protocol: str | None, limit: int, cursor: str | None
    ) -> Page[ConversationView]:
        """Return a page of conversations, open and closed, by id."""
        await self.kernel.journal.readable()
        self.kernel.tick()
        where: dict[str, str | int] = {}
        if state is not None:
            where["state"] = state
        if protocol is not None:
            found = self.conversations.protocols.get(protocol)
            where["protocol"] = protocol if found is None else found.name
        rows = await asyncio.to_thread(
            self.storage.list, "conversations", where, after=cursor, limit=limit + 1
        )
        views = {row.key: msgspec.json.decode(row.body, type=ConversationView) for row in rows}
        # Open conversations have no row yet: they are merged in.
        for conversation in self.conversations.open.values():
            if cursor is not None and conversation.id <= cursor:
                continue
            view = self.conversations.view(conversation)
            if (state is None or view.state == state) and where.get(
                "protocol", view.protocol
            ) == view.protocol:
                views[conversation.id] = view
        keys = sorted(views)
        return Page(
            [views[key] for key in keys[:limit]], keys[limit - 1] if len(keys) > limit else None
        )

    async def cancel(self, conversation_id: str) -> Result[ConversationView, Problem]:
        """Send a cancel to every participant whose leg is open."""
        behind = self.messages.behind()
        if behind is not None:
            return Failure(behind)
        conversation = self.conversations.open.get(conversation_id)
        if conversation is None:
            shown = await self.show(conversation_id)
            if isinstance(shown, Failure):
                return Failure(shown.failure())
            return Failure(Conflict(f"conversation {conversation_id} has ended"))
        if conversation.initiator != self.kernel.api.address:
            return Failure(
                Conflict(f"conversation {conversation_id} was opened by {conversation.initiator}")
            )
        draft = Draft(
            Performative.CANCEL,
            conversation_id=conversation_id,
            reply_with=self.kernel.uuids.next(self.kernel.tick()),
        )
        routed = self.messages.route(draft)
        if isinstance(routed, Failure):
            return Failure(routed.failure())
        await self.kernel.journal.wait(self.kernel.journal.position)
        return await self.show(conversation_id)


def _duration(text: str | None, field: str) -> Result[int | None, InvalidMessage]:
    """Read a duration in milliseconds."""
    if text is None:
        return Success(None)
    parsed = Duration.parse(text)
    if isinstance(parsed, Failure):
        return Failure(InvalidMessage(f"{parsed.failure()} - at `$.{field}`"))
    return Success(int(parsed.unwrap()))
