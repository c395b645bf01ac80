"""Dead letters: listed, sent again, removed.

Rules:
- An opener is redriven in a new conversation that says where it came from (`x_redrive_of`); another message of a
  closed conversation can't be.
- A dead letter stays until it is redriven or removed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from caxton_core.errors import Conflict, NotFound
from caxton_core.messages import Draft, draft_of
from caxton_core.ports import Row
from caxton_core.views import AcceptedView, DeadLetterView, Page
from returns.result import Failure, Result, Success

from caxton_server.runtime.messages import error_of
from caxton_server.runtime.router import Refused

if TYPE_CHECKING:
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.effects import Performer
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.router import Router


class DeadLetters:
    """The messages that could not be delivered or handled."""

    def __init__(
        self, kernel: Kernel, router: Router, conversations: Conversations, performer: Performer
    ) -> None:
        self.kernel, self.router, self.conversations, self.performer = (
            kernel,
            router,
            conversations,
            performer,
        )
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

    async def redrive(self, letter_id: str) -> Result[AcceptedView, Any]:
        """Send a dead letter again, to the receiver that did not get it."""
        if letter_id in self._under_way:
            return Failure(NotFound("dead letter", letter_id))
        self._under_way.add(letter_id)
        try:
            letter = await self._show(letter_id)
            if letter is None:
                return Failure(NotFound("dead letter", letter_id))
            sent = self._send(letter)
            if isinstance(sent, Success):
                await self.kernel.journal.wait(self.kernel.journal.position)
            return sent
        finally:
            self._under_way.discard(letter_id)

    def _send(self, letter: DeadLetterView) -> Result[AcceptedView, Any]:
        kernel = self.kernel
        kernel.tick()
        fields = {
            key: value
            for key, value in letter.message.items()
            if key not in ("id", "timestamp", "sender")
        }
        author = kernel.find(str(letter.message.get("sender", "")))
        if author is None:
            return Failure(Conflict(f"its sender {letter.message.get('sender')} is gone"))
        if letter.receiver:
            fields["receiver"] = letter.receiver
        conversation = self.conversations.get(str(fields.get("conversation_id", "")))
        protocol = self.conversations.protocols.get(str(fields.get("protocol", "")))
        if protocol is not None and fields.get("performative") in protocol.openers:
            fields["x_redrive_of"] = fields.pop("conversation_id", "")
            fields.pop("in_reply_to", None)
            fields.pop("reply_by", None)
        elif protocol is not None and (conversation is None or not conversation.open_legs):
            return Failure(Conflict(f"conversation {fields.get('conversation_id')} is closed"))
        draft = draft_of(fields)
        if not isinstance(draft, Draft):
            return Failure(draft)
        planned = self.router.plan(author, draft)
        if isinstance(planned, Refused):
            return Failure(error_of(planned))
        self.performer.dispatch(planned)
        kernel.journal.put_row(Row("dead_letters", letter.id, {}, deleted=True))
        message = planned.message
        return Success(AcceptedView(message.id, message.conversation_id, self.storage.durability))
