"""The AMS's voice: failures, not-understoods and dead letters.

Rules:
- Only a message between agents is ever answered with a failure or a not-understood; whatever else cannot be handled
  becomes a dead letter and nothing more (fipa.md 4.2).
- Nothing is dropped silently: what the platform cannot deliver is kept as a dead letter.
- The caller appends the record of what these methods return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from caxton_core.events import MessageDeadLettered
from caxton_core.messages import (
    ANSWERED_NEVER,
    Draft,
    FipaMessage,
    Performative,
    encode,
    format_time,
)
from caxton_core.ports import Row
from caxton_core.views import DeadLetterView

from caxton_server.runtime.kernel import PlatformAgent
from caxton_server.runtime.mailboxes import Delivery
from caxton_server.runtime.records import Sent

if TYPE_CHECKING:
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.router import Refused
    from caxton_server.runtime.scheduler import Scheduler


class Ams:
    """What the platform itself says."""

    scheduler: Scheduler

    def __init__(self, kernel: Kernel, conversations: Conversations) -> None:
        self.kernel, self.conversations = kernel, conversations

    def message(
        self, to: Cell | PlatformAgent, act: Performative, content: Any, **fields: Any
    ) -> FipaMessage:
        kernel = self.kernel
        return FipaMessage(
            act, kernel.ams.address, to.address, content,
            id=kernel.uuids.next(kernel.now), timestamp=kernel.stamp, **fields,
        )  # fmt: skip

    def post(self, to: Cell | PlatformAgent, message: FipaMessage) -> Sent | None:
        """Deliver a message of the platform; None when it had to become a dead letter."""
        kernel = self.kernel
        wire = encode(message, to.codec)
        if type(to) is PlatformAgent:
            kernel.serial += 1
            if to is kernel.api:
                kernel.told(message)
            return Sent(kernel.serial, (0,), message.conversation_id, message.id, wire)
        if not to.receives_platform or not to.mailbox.has_platform_room(len(wire)):
            reason = "mailbox-full" if to.receives_platform else "not-running"
            self.bury(message, reason, f"{to.address} cannot take it", to.address, 0)
            return None
        kernel.serial += 1
        kernel.counters.delivered[message.performative] = (
            kernel.counters.delivered.get(message.performative, 0) + 1
        )
        to.mailbox.push(Delivery(kernel.serial, message, wire, True, kernel.now))
        self.scheduler.wake(to)
        return Sent(kernel.serial, (to.handle,), message.conversation_id, message.id, wire)

    def answer_refused(self, cell: Cell, why: Refused, draft: Draft) -> tuple[Sent, ...]:
        """Tell an agent that a message it could not be refused at once may not go out."""
        kernel = self.kernel
        kernel.counters.rejections[why.reason] += 1
        kernel.counters.refused[draft.performative] += 1
        asked = cell.step.message
        fields = msgspec.to_builtins(draft)
        conversation = draft.conversation_id or (asked.conversation_id if asked is not None else "")
        undelivered = {**fields, "sender": cell.address, "conversation_id": conversation}
        reason = "not-admitted" if why.admission else "undeliverable"
        self.bury(undelivered, reason, f"{why.reason}: {why.detail}", why.receiver, 0)
        if draft.performative in ANSWERED_NEVER:
            return ()
        act = Performative.NOT_UNDERSTOOD if why.admission else Performative.FAILURE
        content = {
            "reason": why.reason if why.admission else "undeliverable",
            "detail": f"{why.reason}: {why.detail}",
            "act": draft.performative,
        }
        message = self.message(
            cell, act, content, conversation_id=conversation, in_reply_to=draft.reply_with or draft.id,
            protocol=draft.protocol or (asked.protocol if asked is not None else None),
        )  # fmt: skip
        sent = self.post(cell, message)
        return () if sent is None else (sent,)

    def bounce(self, cell: Cell, delivery: Delivery, reason: str, detail: str) -> tuple[Sent, ...]:
        """Give up on a delivery: keep a dead letter, close its leg, and tell its sender."""
        message = delivery.message
        self.bury(message, reason, detail, cell.address, delivery.attempt)
        if message.protocol is not None:
            self.conversations.fail(message.conversation_id, cell.address)
        if delivery.platform or message.performative in ANSWERED_NEVER:
            return ()
        sender = self.kernel.find(message.sender)
        if sender is None:
            return ()
        failure = self.message(
            sender, Performative.FAILURE, {"reason": reason, "detail": detail},
            conversation_id=message.conversation_id, protocol=message.protocol,
            in_reply_to=message.reply_with or message.id, traceparent=message.traceparent,
        )  # fmt: skip
        sent = self.post(sender, failure)
        return () if sent is None else (sent,)

    def bury(
        self,
        message: FipaMessage | dict[str, Any],
        reason: str,
        detail: str,
        receiver: str,
        attempts: int,
    ) -> None:
        """Keep a dead letter."""
        kernel = self.kernel
        kernel.counters.dead_letters[reason] += 1
        letter = DeadLetterView(
            kernel.uuids.next(kernel.now), reason, detail,
            message if isinstance(message, dict) else document(message), receiver, format_time(kernel.now), attempts,
        )  # fmt: skip
        kernel.journal.put_row(
            Row(
                "dead_letters",
                letter.id,
                {"reason": reason, "created": kernel.now, "receiver": receiver},
                msgspec.json.encode(letter),
            )
        )
        self.conversations.publish(
            MessageDeadLettered(str(letter.message.get("id", "")), receiver, reason)
        )


def document(message: FipaMessage) -> dict[str, Any]:
    """Return a message as the JSON object that stands for it outside."""
    fields: dict[str, Any] = msgspec.json.decode(encode(message, "json"))
    return fields
