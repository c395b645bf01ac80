"""The AMS's voice: failures, not-understoods and dead letters.

Rules:
- Only a message between agents is ever answered with a failure or a not-understood; whatever else cannot be handled
  becomes a dead letter and nothing more (docs/conversations.md).
- Nothing is dropped silently: what the platform cannot deliver is kept as a dead letter.
- The caller appends the record of what these methods return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from caxton_core.events import MessageDeadLettered, MessageRejected
from caxton_core.messages import ANSWERED_NEVER, Draft, FipaMessage, Performative, encode
from caxton_core.ports import Row
from caxton_core.times import format_time
from caxton_core.views import DeadLetterView

from caxton_server.runtime.kernel import PlatformAgent
from caxton_server.runtime.mailboxes import Delivery
from caxton_server.runtime.records import Sent

if TYPE_CHECKING:
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.scheduler import Scheduler
    from caxton_server.runtime.verdicts import Refused

ASKS = frozenset({
    Performative.REQUEST, Performative.REQUEST_WHEN, Performative.REQUEST_WHENEVER, Performative.QUERY_IF,
    Performative.QUERY_REF, Performative.SUBSCRIBE, Performative.CANCEL,
})  # fmt: skip
"""Acts that want an answer even from the platform's own agents (docs/conversations.md)."""
DESCRIBED = 1_000


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
        routed, act = kernel.counters.delivered, message.performative
        if type(to) is PlatformAgent:
            kernel.serial += 1
            if to is kernel.api:
                routed[act] = routed.get(act, 0) + 1
                kernel.told(message)
            wire = encode(message, to.codec)
            return Sent(kernel.serial, (0,), message.conversation_id, message.id, wire)
        # The next version of an agent, while it starts, has no mailbox of its own.
        to = kernel.cells.get(to.handle, to)
        wire = encode(message, to.codec)
        if not to.receives_platform or not to.mailbox.has_platform_room(len(wire)):
            reason = "mailbox-full" if to.receives_platform else "not-running"
            self.bury(message, reason, f"{to.address} cannot take it", to.address, 0)
            return None
        kernel.serial += 1
        routed[act] = routed.get(act, 0) + 1
        to.mailbox.push(Delivery(kernel.serial, message, wire, True, kernel.now))
        self.scheduler.wake(to)
        return Sent(kernel.serial, (to.handle,), message.conversation_id, message.id, wire)

    def answer_refused(
        self, cell: Cell, why: Refused, draft: Draft, *, response: bool
    ) -> tuple[Sent, ...]:
        """Tell an agent that a message it could not be refused at once may not go out."""
        kernel = self.kernel
        kernel.count_refusal(cell, why, draft.performative)
        asked = cell.step.message
        undelivered = self._undelivered(cell, draft, asked if response else None)
        if self._ends_there(undelivered):
            return ()
        reason = "not-admitted" if why.admission else "undeliverable"
        detail = f"{why.reason}: {why.detail}"
        self.bury(undelivered, reason, detail, why.receiver, 0)
        conversation_id = undelivered.conversation_id
        if why.admission:
            self.conversations.publish(MessageRejected(undelivered.id, conversation_id, why.reason))
        elif why.receiver:
            self.conversations.fail(conversation_id, why.receiver, author=cell.address)
        if draft.performative in ANSWERED_NEVER:
            return ()
        delivery = cell.step.delivery
        if (
            delivery is not None
            and delivery.platform
            and delivery.message.performative in ANSWERED_NEVER
        ):
            # An agent that answers what the platform says of its failures with another one could go on for ever.
            return ()
        act = Performative.NOT_UNDERSTOOD if why.admission else Performative.FAILURE
        content = {
            "reason": why.reason if why.admission else "undeliverable",
            "detail": detail,
            "act": draft.performative,
        }
        message = self.message(
            cell, act, content, conversation_id=conversation_id,
            in_reply_to=draft.reply_with or undelivered.id, protocol=undelivered.protocol,
        )  # fmt: skip
        sent = self.post(cell, message)
        return () if sent is None else (sent,)

    def _undelivered(self, cell: Cell, draft: Draft, asked: FipaMessage | None) -> FipaMessage:
        """Complete a message that was never sent as far as it can be, for the dead letter."""
        receiver, conversation_id = draft.receiver, draft.conversation_id or ""
        protocol, in_reply_to = draft.protocol, draft.in_reply_to
        if asked is not None:
            if receiver is None:
                receiver = asked.sender if asked.reply_to is None else asked.reply_to
            conversation_id = conversation_id or asked.conversation_id
            if conversation_id == asked.conversation_id:
                protocol = protocol or asked.protocol
                in_reply_to = in_reply_to or asked.reply_with or asked.id
        return FipaMessage(
            draft.performative, cell.address, receiver or [], draft.content, conversation_id,
            draft.id or self.kernel.uuids.next(self.kernel.now), self.kernel.stamp, None, draft.language,
            draft.encoding, draft.ontology, protocol, draft.reply_to, draft.reply_with, in_reply_to,
            draft.reply_by, draft.extras,
        )  # fmt: skip

    def _ends_there(self, message: FipaMessage) -> bool:
        """Tell whether a refused message was for the platform only, and neither asks it for anything nor goes on with it."""
        names = [message.receiver] if isinstance(message.receiver, str) else message.receiver
        targets = [self.kernel.find(name) for name in names]
        if not names or any(type(target) is not PlatformAgent for target in targets):
            return False
        conversation = self.conversations.get(message.conversation_id)
        if conversation is not None:
            parties = {conversation.initiator, *conversation.legs}
            if any(target is not None and target.address in parties for target in targets):
                return False
        return message.performative not in ASKS or message.in_reply_to is not None

    def miss(
        self, author: Cell | PlatformAgent, message: FipaMessage, why: Refused
    ) -> tuple[Sent, ...]:
        """Say that a message that reached others could not reach one of its receivers, whose leg has failed."""
        detail = f"{why.reason}: {why.detail}"
        self.bury(message, "undeliverable", detail, why.receiver, 0)
        if message.performative in ANSWERED_NEVER:
            return ()
        return self._failure(author, message, "undeliverable", detail)

    def _failure(
        self, to: Cell | PlatformAgent, message: FipaMessage, reason: str, detail: str
    ) -> tuple[Sent, ...]:
        failure = self.message(
            to, Performative.FAILURE, {"reason": reason, "detail": detail},
            conversation_id=message.conversation_id, protocol=message.protocol,
            in_reply_to=message.reply_with or message.id, traceparent=message.traceparent,
        )  # fmt: skip
        sent = self.post(to, failure)
        return () if sent is None else (sent,)

    def part(self, cell: Cell, detail: str) -> tuple[Sent, ...]:
        """Close the legs of an agent that is gone for good, and tell their initiators."""
        sent: list[Sent] = []
        for conversation in self.conversations.taken_part_in(cell.address):
            leg = conversation.legs[cell.address]
            self.conversations.fail(conversation.id, cell.address, author=conversation.initiator)
            initiator = self.kernel.find(conversation.initiator)
            if initiator is None or initiator is cell:
                continue
            failure = self.message(
                initiator, Performative.FAILURE, {"reason": "undeliverable", "detail": detail},
                conversation_id=conversation.id, protocol=conversation.protocol,
                in_reply_to=leg.asked_token or leg.asked_id,
            )  # fmt: skip
            told = self.post(initiator, failure)
            sent += () if told is None else (told,)
        return tuple(sent)

    def bounce(self, cell: Cell, delivery: Delivery, reason: str, detail: str) -> tuple[Sent, ...]:
        """Give up on a delivery: keep a dead letter, close its leg, and tell its sender."""
        message = delivery.message
        self.bury(message, reason, detail, cell.address, delivery.attempt)
        if delivery.platform or message.performative in ANSWERED_NEVER:
            return ()
        if message.protocol is not None:
            self.conversations.fail(message.conversation_id, cell.address, author=message.sender)
        sender = self.kernel.find(message.sender)
        return () if sender is None else self._failure(sender, message, reason, detail)

    def bury(
        self,
        message: FipaMessage,
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
            document(message), receiver, format_time(kernel.now), attempts,
        )  # fmt: skip
        kernel.journal.put_row(
            Row(
                "dead_letters",
                letter.id,
                {"reason": reason, "created": kernel.now, "receiver": receiver},
                msgspec.json.encode(letter),
            )
        )
        self.conversations.publish(MessageDeadLettered(message.id, receiver, reason))


def document(message: FipaMessage) -> dict[str, Any]:
    """Return a message as the JSON object that stands for it outside; content JSON can't hold is described in text."""
    try:
        wire = encode(message, "json")
    except (OverflowError, ValueError, TypeError, RecursionError):
        content = repr(message.content)[:DESCRIBED]
        wire = encode(msgspec.structs.replace(message, content=content, extras=None), "json")
    fields: dict[str, Any] = msgspec.json.decode(wire)
    return fields
