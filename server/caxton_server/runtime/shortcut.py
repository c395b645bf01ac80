"""The short cut: one flat response to one agent, in an open conversation or outside any.

Rules:
- It decides nothing: whatever is not plain, or could be refused, is left to `Router.plan`, unchanged.
- For what it takes it does exactly what `plan`, `deliver` and `record` do; a test compares the two on everything it can.
- It exists because most messages are plain, and a third of the time of a message went into questions they don't raise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core.conversations import Admission, admit
from caxton_core.messages import Draft, FipaMessage, encode

from caxton_server.runtime.cells import Cell
from caxton_server.runtime.mailboxes import Delivery
from caxton_server.runtime.records import Sent, Step
from caxton_server.runtime.router import PROTOCOL_ONLY

if TYPE_CHECKING:
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.scheduler import Scheduler


class Shortcut:
    """Takes a plain response from its author to its receiver."""

    def __init__(self, kernel: Kernel, conversations: Conversations, scheduler: Scheduler) -> None:
        self.kernel = kernel
        self.find = kernel.directory.get
        self.open, self.closed = conversations.open, conversations.closed
        self.protocols, self.commit = conversations.protocols, conversations.commit
        self.ready = scheduler.ready
        self.next_id = kernel.uuids.next
        self.append = kernel.journal.append
        self.delivered, self.handled = kernel.counters.delivered, kernel.counters.handled

    def take(self, cell: Cell, delivery: Delivery, draft: Draft) -> bool:
        """End a step that wrote nothing and answers with `draft`; False when that takes a closer look."""
        asked = delivery.message
        receiver = draft.receiver
        if receiver is None:
            receiver = asked.sender if asked.reply_to is None else asked.reply_to
        conversation_id = asked.conversation_id
        if (
            type(receiver) is not str
            or draft.conversation_id is not None
            or draft.protocol is not None
            or draft.id is not None
            or draft.reply_by is not None
            or draft.reply_to is not None
            or not cell.send_all
            or not conversation_id
        ):
            return False
        before = self.open.get(conversation_id)
        if before is None and (
            asked.protocol is not None
            or draft.performative in PROTOCOL_ONLY
            or conversation_id in self.closed
        ):
            return False
        target = self.find(receiver)
        if type(target) is not Cell or not target.open:
            return False
        kernel = self.kernel
        now = kernel.now
        act, message_id = draft.performative, self.next_id(now)
        ontology, language, in_reply_to = draft.ontology, draft.language, draft.in_reply_to
        if in_reply_to is None:
            in_reply_to = asked.reply_with or asked.id
        verdict: Admission | None = None
        protocol: str | None = None
        if before is not None:
            judged = admit(
                self.protocols[before.protocol], before, performative=act, sender=cell.address,
                receivers=(target.address,), message_id=message_id, reply_with=draft.reply_with,
                in_reply_to=in_reply_to, protocol_given=asked.protocol, now=now,
            )  # fmt: skip
            if not isinstance(judged, Admission):
                self.kernel.uuids.take_back(message_id)
                return False
            verdict, protocol = judged, before.protocol
        message = FipaMessage(
            act, cell.address, target.address, draft.content, conversation_id, message_id, kernel.stamp,
            asked.traceparent,
            asked.language if language is None else language,
            draft.encoding,
            asked.ontology if ontology is None else ontology,
            protocol, None, draft.reply_with, in_reply_to, None, draft.extras,
        )  # fmt: skip
        try:
            wire = encode(message, target.codec)
        except (OverflowError, ValueError, TypeError, RecursionError):
            self.kernel.uuids.take_back(message_id)
            return False
        size = len(wire)
        mailbox = target.mailbox
        if (
            size > target.message_size
            or mailbox.count >= mailbox.limit
            or mailbox.bytes + size > mailbox.bytes_limit
        ):
            self.kernel.uuids.take_back(message_id)
            return False
        kernel.serial = serial = kernel.serial + 1
        mailbox.queue.append(Delivery(serial, message, wire, False, now))
        mailbox.count += 1
        mailbox.bytes += size
        if target.awake and not target.queued:
            target.queued = True
            self.ready.append(target)
        delivered, handled, asked_act = self.delivered, self.handled, asked.performative
        delivered[act] = delivered.get(act, 0) + 1
        handled[asked_act] = handled.get(asked_act, 0) + 1
        cell.messages_in += 1
        cell.messages_out += 1
        if verdict is not None:
            self.commit(verdict.conversation, before, verdict.awarded)
        sent = Sent(serial, (target.handle,), conversation_id, message_id, wire)
        self.append(
            Step(cell.handle, cell.step.now, delivery.serial, conversation_id, asked.id, (sent,))
        )
        return True
