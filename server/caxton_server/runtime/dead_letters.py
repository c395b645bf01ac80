"""Dead letters: listed, sent again, removed.

Rules:
- An opener is redriven in a new conversation that says where it came from (`x_redrive_of`); another message of a
  closed conversation can't be. One of an open conversation is judged anew, but for a participant's that was delivered
  and not handled: its move stands, and it is only handed out again.
- A dead letter stays until it is redriven or removed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from caxton_core.errors import AgentNotFound, Conflict, MailboxFull, NotFound
from caxton_core.messages import Draft, FipaMessage, decode, encode
from caxton_core.ports import Row
from caxton_core.views import AcceptedView, DeadLetterView, Page
from returns.result import Failure, Result, Success

from caxton_server.runtime.cells import Cell
from caxton_server.runtime.kernel import PlatformAgent
from caxton_server.runtime.messages import error_of
from caxton_server.runtime.records import Routed
from caxton_server.runtime.rooms import find_room
from caxton_server.runtime.verdicts import Refused

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation, Protocol

    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.effects import Performer
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.keys import Claim
    from caxton_server.runtime.messages import Messages
    from caxton_server.runtime.router import Router


class DeadLetters:
    """The messages that could not be delivered or handled."""

    def __init__(
        self,
        kernel: Kernel,
        router: Router,
        conversations: Conversations,
        performer: Performer,
        messages: Messages,
    ) -> None:
        self.kernel, self.router, self.conversations, self.performer = (
            kernel,
            router,
            conversations,
            performer,
        )
        self.messages = messages
        self.storage = kernel.journal.storage
        self._under_way: set[str] = set()

    async def list(self, *, limit: int, cursor: str | None) -> Page[DeadLetterView]:
        """Return a page, oldest first."""
        await self.kernel.journal.readable()
        rows = await asyncio.to_thread(
            self.storage.list, "dead_letters", {}, after=cursor, limit=limit + 1
        )
        views = [msgspec.json.decode(row.body, type=DeadLetterView) for row in rows[:limit]]
        return Page(views, rows[limit - 1].key if len(rows) > limit else None)

    async def _show(self, letter_id: str) -> DeadLetterView | None:
        await self.kernel.journal.readable()
        row = await asyncio.to_thread(self.storage.get, "dead_letters", letter_id)
        return None if row is None else msgspec.json.decode(row.body, type=DeadLetterView)

    async def remove(self, letter_id: str) -> Result[None, NotFound]:
        """Forget a dead letter."""
        if await self._show(letter_id) is None:
            return Failure(NotFound("dead letter", letter_id))
        journal = self.kernel.journal
        await journal.wait(journal.put_row(Row("dead_letters", letter_id, {}, deleted=True)))
        return Success(None)

    async def redrive(
        self, letter_id: str, *, claim: Claim | None = None
    ) -> Result[AcceptedView, Any]:
        """Send a dead letter again, to the receiver that did not get it."""
        behind = self.messages.behind()
        if behind is not None:
            return Failure(behind)
        if letter_id in self._under_way:
            return Failure(NotFound("dead letter", letter_id))
        self._under_way.add(letter_id)
        try:
            letter = await self._show(letter_id)
            if letter is None:
                return Failure(NotFound("dead letter", letter_id))
            kept = decode(msgspec.json.encode(letter.message))
            found, first = await self.messages.histories.origin(kept.conversation_id, kept.id)
            self.kernel.tick()
            sent = self._send(letter, found or kept, was_sent=found is not None, first=first)
            if isinstance(sent, Failure):
                return Failure(sent.failure())
            # In one turn with the message: it is sent again and gone, or neither.
            self.kernel.journal.put_row(Row("dead_letters", letter.id, {}, deleted=True))
            message = sent.unwrap()
            view = AcceptedView(message.id, message.conversation_id, self.storage.durability)
            if claim is not None:
                claim.settle(view)
            await self.kernel.journal.wait(self.kernel.journal.position)
            return Success(view)
        finally:
            self._under_way.discard(letter_id)

    def _send(
        self, letter: DeadLetterView, message: FipaMessage, *, was_sent: bool, first: bool
    ) -> Result[FipaMessage, Any]:
        """Send the message of a letter again: judged anew, unless it was delivered and its move has been made."""
        author = self.kernel.find(message.sender)
        if author is None:
            return Failure(Conflict(f"its sender {message.sender} is gone"))
        conversation = self.conversations.get(message.conversation_id)
        protocol = self.conversations.protocols.get(message.protocol or "")
        draft = _draft(letter, message)
        if protocol is not None:
            if first or (not was_sent and _opens(protocol, message, conversation)):
                draft.extras = {**(message.extras or {}), "x_redrive_of": message.conversation_id}
                draft.conversation_id = draft.in_reply_to = draft.reply_by = None
            elif conversation is None or not conversation.open_legs:
                return Failure(Conflict(f"conversation {message.conversation_id} is closed"))
            elif author is not self.kernel.api and type(author) is PlatformAgent:
                return self._post(letter, message)
            elif was_sent and letter.attempts and message.sender != conversation.initiator:
                return self._hand_out(letter, message, conversation)
        elif author is not self.kernel.api and type(author) is PlatformAgent:
            return self._post(letter, message)
        planned = self.router.plan(author, draft)
        if isinstance(planned, Refused):
            return Failure(error_of(planned))
        self.performer.dispatch(planned)
        return Success(planned.message)

    def _again(self, letter: DeadLetterView, message: FipaMessage) -> FipaMessage:
        """Return a message under a new id; an answer to it may go on quoting what it could have quoted before."""
        kernel = self.kernel
        return msgspec.structs.replace(
            message, id=kernel.uuids.next(kernel.now), timestamp=kernel.stamp, receiver=letter.receiver,
            reply_with=message.reply_with or message.id,
        )  # fmt: skip

    def _hand_out(
        self, letter: DeadLetterView, message: FipaMessage, conversation: Conversation
    ) -> Result[FipaMessage, Any]:
        """Deliver a participant's message again whose move was made: to judge it anew would refuse what it has done."""
        target = self.kernel.find(letter.receiver)
        if target is None:
            return Failure(AgentNotFound(letter.receiver))
        # In the platform's name: it was allowed when it was sent.
        planned = find_room(
            self.conversations, self.kernel.ams, self._again(letter, message), (target,), None,
            conversation, conversation, (), Draft(message.performative), None, (),
        )  # fmt: skip
        if isinstance(planned, Refused):
            return Failure(error_of(planned))
        self.performer.dispatch(planned)
        return Success(planned.message)

    def _post(self, letter: DeadLetterView, message: FipaMessage) -> Result[FipaMessage, Any]:
        """Deliver a message of the platform again: a timer, a failure."""
        target = self.kernel.find(letter.receiver)
        if type(target) is not Cell:
            return Failure(AgentNotFound(letter.receiver))
        if not target.receives_platform:
            return Failure(Conflict(f"{target.address} is {target.state}"))
        message = msgspec.structs.replace(
            message, id=self.kernel.uuids.next(self.kernel.now), timestamp=self.kernel.stamp
        )
        if not target.mailbox.has_platform_room(len(encode(message, target.codec))):
            return Failure(MailboxFull(target.address))
        sent = self.performer.ams.post(target, message)
        assert sent is not None
        self.kernel.journal.append(Routed(self.kernel.now, sent))
        return Success(message)


def _draft(letter: DeadLetterView, message: FipaMessage) -> Draft:
    """Return what is to be said again: all of a message but its id and its time."""
    return Draft(
        message.performative, receiver=letter.receiver or message.receiver or None, content=message.content,
        language=message.language, encoding=message.encoding, ontology=message.ontology, protocol=message.protocol,
        conversation_id=message.conversation_id or None, reply_to=message.reply_to, reply_with=message.reply_with,
        in_reply_to=message.in_reply_to, reply_by=message.reply_by, traceparent=message.traceparent,
        extras=message.extras,
    )  # fmt: skip


def _opens(protocol: Protocol, message: FipaMessage, conversation: Conversation | None) -> bool:
    """Tell whether a message that never went out would have opened its conversation."""
    if message.performative not in protocol.openers:
        return False
    if conversation is None:
        return True
    later = any(message.performative in moves for moves in protocol.by_initiator.values())
    return message.sender == conversation.initiator and not later
