"""The server as initiator of conversations: opens them, attends to them until they end, reports the result.

Rules:
- What the server says goes through the router like anybody's message, from `api@<platform>`.
- Where it has to be in a conversation is `attendances.py`'s; what it says next is `initiator.py`'s.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from caxton_core.conversations import Conversation, Protocol
from caxton_core.documents import nearest
from caxton_core.errors import (
    Conflict,
    ConversationNotFound,
    InvalidMessage,
    Problem,
    Timeout,
    UnknownProtocol,
)  # fmt: skip
from caxton_core.initiators import ConversationSpec, first_failure, opening_of
from caxton_core.messages import Draft, Performative
from caxton_core.times import parse_time
from caxton_core.units import Duration
from caxton_core.views import ConversationView, Page
from returns.result import Failure, Result, Success

from caxton_server.runtime.attendances import Attendances
from caxton_server.runtime.kernel import listen, unlisten

if TYPE_CHECKING:
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.keys import Claim
    from caxton_server.runtime.messages import Messages
    from caxton_server.runtime.timers import Timers

TTL_MS = 300_000
CANCEL_BY = "+10s"
"""How long participants may take to answer a cancel; then it counts as done."""


class Initiators:
    """Opens conversations for the API, and shows all there are."""

    def __init__(
        self, kernel: Kernel, conversations: Conversations, timers: Timers, messages: Messages
    ) -> None:
        self.kernel, self.conversations, self.messages = kernel, conversations, messages
        self.storage = kernel.journal.storage
        self.attendances = Attendances(kernel, conversations, timers, messages)

    async def start(
        self, spec: ConversationSpec, *, claim: Claim | None = None
    ) -> Result[ConversationView, Problem]:
        """Open a conversation; with `wait`, return when it has ended."""
        if claim is not None and claim.reference:
            wait = _duration(spec.wait, "wait")
            if isinstance(wait, Failure):
                return Failure(wait.failure())
            return await self._opened(claim.reference, wait.unwrap(), claim)
        kernel = self.kernel
        behind = self.messages.behind()
        if behind is not None:
            return Failure(behind)
        kernel.tick()
        made = self._plan(spec)
        if isinstance(made, Failure):
            return Failure(made.failure())
        protocol, planned, until, ttl = made.unwrap()
        draft = opening_of(protocol, planned)
        conversation_id = draft.conversation_id = kernel.uuids.next(kernel.now)
        attended = self.attendances.begin(conversation_id, protocol, planned)
        self.conversations.lifetimes[conversation_id] = TTL_MS if ttl is None else ttl
        routed = self.messages.route(draft)
        if isinstance(routed, Failure):
            attended.leave()
            self.conversations.lifetimes.pop(conversation_id, None)
            return Failure(routed.failure())
        if self.conversations.open.get(conversation_id) is not None:
            self.attendances.keep(conversation_id, planned)
        return await self._acknowledged(conversation_id, until, claim)

    async def _acknowledged(
        self, conversation_id: str, wait: int | None, claim: Claim | None
    ) -> Result[ConversationView, Problem]:
        """Answer with what has just been done to a conversation; what the claim needs is kept in the same go."""
        known = self.conversations.open.get(conversation_id)
        if claim is not None:
            if known is not None and wait is None:
                view = self.conversations.view(known)
                claim.settle(view)
                await self.kernel.journal.wait(self.kernel.journal.position)
                return Success(view)
            claim.refer(conversation_id)
        return await self._opened(conversation_id, wait, claim)

    async def _opened(
        self, conversation_id: str, wait: int | None, claim: Claim | None
    ) -> Result[ConversationView, Problem]:
        """Return a conversation that was opened; with `wait`, when it has ended."""
        journal, listeners = self.kernel.journal, self.conversations.listeners
        if wait is not None:
            ended = asyncio.Event()

            def moved(conversation: Conversation) -> None:
                if not conversation.open_legs:
                    ended.set()

            listen(listeners, conversation_id, moved)
            try:
                await journal.wait(journal.position)
                if conversation_id in self.conversations.open:
                    await asyncio.wait_for(ended.wait(), wait / 1000)
            except TimeoutError:
                return Failure(Timeout(f"end of conversation {conversation_id}", wait / 1000))
            finally:
                unlisten(listeners, conversation_id, moved)
        shown = await self.show(conversation_id)
        if claim is not None and isinstance(shown, Success):
            claim.settle(shown.unwrap())
            await journal.wait(journal.position)
        return shown

    def _plan(
        self, spec: ConversationSpec
    ) -> Result[
        tuple[Protocol, ConversationSpec, int | None, int | None],
        InvalidMessage | UnknownProtocol,
    ]:
        """Check a specification; its reply_by becomes a span of time, so that every round takes as long."""
        protocols, now = self.conversations.protocols, self.kernel.now
        protocol = protocols.get(spec.protocol)
        if protocol is None:
            return Failure(UnknownProtocol(spec.protocol, nearest(spec.protocol, protocols)))
        wrong = first_failure(protocol, spec)
        if wrong is not None:
            return Failure(wrong)
        wait, ttl = _duration(spec.wait, "wait"), _duration(spec.ttl, "ttl")
        if isinstance(wait, Failure):
            return Failure(wait.failure())
        if isinstance(ttl, Failure):
            return Failure(ttl.failure())
        reply_by = spec.reply_by
        if reply_by is None:
            reply_by = None if protocol.initiative is None else protocol.initiative.reply_by
        else:
            due = parse_time(reply_by, now_ms=now)
            if due is None or due <= now:
                what = "no time such as +5s" if due is None else "a time that has passed"
                return Failure(InvalidMessage(f"{reply_by[:40]!r} is {what} - at `$.reply_by`"))
            reply_by = f"+{due - now}ms"
        planned = msgspec.structs.replace(spec, protocol=protocol.name, reply_by=reply_by)
        return Success((protocol, planned, wait.unwrap(), ttl.unwrap()))

    async def show(self, conversation_id: str) -> Result[ConversationView, ConversationNotFound]:
        """Show a conversation, from memory while it is open, else from its row."""
        known = self.conversations.open.get(conversation_id)
        if known is not None:
            self.kernel.tick()
            view = self.conversations.view(known)
            # What it shows has happened for good before anybody sees it.
            await self.kernel.journal.wait(self.kernel.journal.position)
            return Success(view)
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

    async def cancel(
        self, conversation_id: str, *, claim: Claim | None = None
    ) -> Result[ConversationView, Problem]:
        """Send a cancel to every participant whose leg is open."""
        if claim is not None and claim.reference:
            return await self._opened(conversation_id, None, claim)
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
            reply_by=CANCEL_BY,
            reply_with=self.kernel.uuids.next(self.kernel.tick()),
        )
        routed = self.messages.route(draft)
        if isinstance(routed, Failure):
            return Failure(routed.failure())
        return await self._acknowledged(conversation_id, None, claim)


def _duration(text: str | None, field: str) -> Result[int | None, InvalidMessage]:
    """Read a duration in milliseconds."""
    if text is None:
        return Success(None)
    parsed = Duration.parse(text)
    if isinstance(parsed, Failure):
        return Failure(InvalidMessage(f"{parsed.failure()} - at `$.{field}`"))
    return Success(int(parsed.unwrap()))
