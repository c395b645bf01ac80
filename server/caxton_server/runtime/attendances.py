"""Where the server attends: in the conversations it has opened, from before the opener until the end, across restarts.

Rules:
- What it needs to know to go on after a restart is a row that is committed with the opener and gone with the end.
- What was said in a conversation is in the journal, and is read from there after a restart.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec
from caxton_core.initiators import ConversationSpec
from caxton_core.messages import decode, receivers_of
from caxton_core.ports import Row

from caxton_server.runtime.initiator import Initiator
from caxton_server.runtime.kernel import listen, unlisten

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation, Protocol

    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.histories import Histories
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.messages import Messages
    from caxton_server.runtime.timers import Timers

_PREFIX = "initiator:"
_ROWS_AT_ONCE = 500

_log = logging.getLogger(__name__)


class Attendance:
    """The server at one conversation: it listens from before the opener until the end."""

    def __init__(
        self, initiator: Initiator, kernel: Kernel, conversations: Conversations, messages: Messages
    ) -> None:
        self.initiator, self.kernel = initiator, kernel
        self.conversations, self.messages = conversations, messages
        listen(kernel.listeners, initiator.id, initiator.note)
        listen(conversations.listeners, initiator.id, self.moved)
        conversations.reports[initiator.id] = initiator.report
        messages.said[initiator.id] = initiator.note

    def moved(self, conversation: Conversation) -> None:
        """Follow the conversation; forget it once it has ended."""
        self.initiator.moved(conversation)
        if not conversation.open_legs:
            self.leave()
            key = _PREFIX + conversation.id
            self.kernel.journal.put_row(Row("meta", key, {}, deleted=True))

    def leave(self) -> None:
        """Listen no more."""
        initiator = self.initiator
        initiator.stop()
        unlisten(self.kernel.listeners, initiator.id, initiator.note)
        unlisten(self.conversations.listeners, initiator.id, self.moved)
        self.conversations.reports.pop(initiator.id, None)
        self.messages.said.pop(initiator.id, None)


class Attendances:
    """Begins attendances, and takes them up again."""

    def __init__(
        self, kernel: Kernel, conversations: Conversations, timers: Timers, messages: Messages
    ) -> None:
        self.kernel, self.conversations = kernel, conversations
        self.timers, self.messages = timers, messages
        self.storage = kernel.journal.storage

    def begin(self, conversation_id: str, protocol: Protocol, spec: ConversationSpec) -> Attendance:
        """Listen to a conversation until it ends."""
        initiator = Initiator(
            conversation_id, protocol, spec, self.kernel, self.conversations, self.timers,
            self.messages.route,
        )  # fmt: skip
        return Attendance(initiator, self.kernel, self.conversations, self.messages)

    def keep(self, conversation_id: str, spec: ConversationSpec) -> None:
        """Keep what has to be known to go on after a restart."""
        key, body = _PREFIX + conversation_id, msgspec.json.encode(spec)
        self.kernel.journal.put_row(Row("meta", key, {}, body))

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
        """Be again where the server was in a conversation: what was said is in the journal."""
        conversation_id = row.key.removeprefix(_PREFIX)
        conversation = self.conversations.open.get(conversation_id)
        spec = _spec_of(row)
        if conversation is None or spec is None:
            self.kernel.journal.put_row(Row("meta", row.key, {}, deleted=True))
            return
        protocol = self.conversations.protocols[conversation.protocol]
        initiator = self.begin(conversation_id, protocol, spec).initiator
        group, serial, more = 0, 0, True
        while more:
            found, group, more = await histories.since(conversation_id, group, serial)
            for sent, _ in found:
                serial = max(serial, sent.serial)
                message = decode(sent.wire)
                if self.kernel.api.address in (message.sender, *receivers_of(message)):
                    initiator.note(message)
        initiator.moved(conversation)


def _spec_of(row: Row) -> ConversationSpec | None:
    """Read the specification that a row keeps; one of another version of the server may not be readable."""
    try:
        return msgspec.json.decode(row.body, type=ConversationSpec)
    except msgspec.DecodeError as error:
        _log.warning("%s can't be gone on with: %s", row.key, error)
        return None
