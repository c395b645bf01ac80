"""The server as initiator of conversations: opens them, picks the winner of a contract net, reports the result.

Rules:
- What the server says goes through the router like anybody's message, from `api@<platform>`.
- A contract net is decided once every participant has answered, or its reply-by has passed.
- The winner is the proposal that the selection names; without a selection the first in order of arrival.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
from caxton_core.messages import Draft, FipaMessage, Performative
from caxton_core.resources import nearest
from caxton_core.selections import Selection, parse_selection, select
from caxton_core.units import Duration
from caxton_core.views import ConversationView, Page
from returns.result import Failure, Result, Success

if TYPE_CHECKING:
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.messages import Messages
    from caxton_server.runtime.timers import Timers

REPLY_BY = "+30s"
TTL_MS = 300_000


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


class Initiator:
    """One conversation the server has opened."""

    def __init__(
        self,
        conversation_id: str,
        selection: Selection | None,
        kernel: Kernel,
        conversations: Conversations,
        timers: Timers,
        send: Callable[[Draft], object],
    ) -> None:
        self.id, self.selection, self.kernel = conversation_id, selection, kernel
        self.conversations, self.timers, self.send = conversations, timers, send
        self.proposals: list[FipaMessage] = []
        self.winner: str | None = None
        self.result: Any = None
        self.decided = False

    def heard(self, message: FipaMessage) -> None:
        """Take note of what a participant answered."""
        match message.performative:
            case Performative.PROPOSE if not self.decided:
                self.proposals.append(message)
            case Performative.INFORM | Performative.FAILURE:
                if self.winner is None or message.sender == self.winner:
                    self.result = _content(message)
                    self.conversations.results[self.id] = (self.winner, self.result)
            case _:
                pass

    def moved(self, conversation: Conversation) -> None:
        """Decide a contract net when nobody is asked any more."""
        if (
            self.decided
            or not conversation.open_legs
            or conversation.protocol != "fipa-contract-net"
        ):
            return
        if any(leg.state == "awaiting-proposal" for leg in conversation.legs.values()):
            return
        self.decided = True
        # Not now: this is called while the conversation's new value is being committed.
        self.timers.at(self.kernel.now, lambda _now: self._award())

    def _award(self) -> None:
        """Accept the best proposal that still stands and reject the others."""
        conversation = self.conversations.get(self.id)
        if conversation is None or not conversation.open_legs:
            return
        standing = [
            proposal for proposal in self.proposals
            if proposal.sender in conversation.legs and conversation.legs[proposal.sender].state == "proposed"
        ]  # fmt: skip
        if self.selection is not None:
            self.winner = select(
                self.selection, [(proposal.sender, _content(proposal)) for proposal in standing]
            )
        elif standing:
            self.winner = standing[0].sender
        if self.winner is not None:
            self.conversations.results[self.id] = (self.winner, None)
        for proposal in standing:
            won = proposal.sender == self.winner
            self.send(
                Draft(
                    Performative.ACCEPT_PROPOSAL if won else Performative.REJECT_PROPOSAL,
                    receiver=proposal.sender, conversation_id=self.id,
                    content=_content(proposal) if won else "not selected",
                    in_reply_to=proposal.reply_with or proposal.id,
                )
            )  # fmt: skip


def _content(message: FipaMessage) -> Any:
    return None if message.content is msgspec.UNSET else message.content


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
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        initiator = Initiator(
            conversation_id,
            selection.unwrap(),
            kernel,
            self.conversations,
            self.timers,
            self.messages.route,
        )

        def moved(conversation: Conversation) -> None:
            initiator.moved(conversation)
            if not conversation.open_legs:
                kernel.listeners.pop(conversation_id, None)
                self.conversations.listeners.pop(conversation_id, None)
                if not ended.done():
                    ended.set_result(None)

        kernel.listeners[conversation_id] = [initiator.heard]
        self.conversations.listeners[conversation_id] = [moved]
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
        await kernel.journal.wait(kernel.journal.position)
        if wait is not None:
            try:
                await asyncio.wait_for(asyncio.shield(ended), wait / 1000)
            except TimeoutError:
                return Failure(Timeout("end of the conversation", wait / 1000))
            await kernel.journal.wait(kernel.journal.position)
        return await self.show(conversation_id)

    async def show(self, conversation_id: str) -> Result[ConversationView, ConversationNotFound]:
        """Show a conversation, from memory while it is open, else from its row."""
        known = self.conversations.open.get(conversation_id)
        if known is not None:
            self.kernel.tick()
            return Success(self.conversations.view(known))
        await self.kernel.journal.wait(self.kernel.journal.position)
        row = await asyncio.to_thread(self.storage.get, "conversations", conversation_id)
        if row is None:
            return Failure(ConversationNotFound(conversation_id))
        return Success(msgspec.json.decode(row.body, type=ConversationView))

    async def list(
        self, *, state: str | None, protocol: str | None, limit: int, cursor: str | None
    ) -> Page[ConversationView]:
        """Return a page of conversations, open and closed, by id."""
        await self.kernel.journal.wait(self.kernel.journal.position)
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
