"""The router: judges what an agent or the API wants to send, before anything changes.

Rules:
- `plan` changes nothing: it reads the node through the author's step and returns what would be sent, or why not.
- It gives the message its fields and its conversation; `rooms.py` sees whether its receivers can take it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from caxton_core.groups import is_group
from caxton_core.ids import ConversationId, MessageId
from caxton_core.messages import Draft, FipaMessage, Performative
from caxton_core.times import format_time, parse_time
from returns.result import Failure

from caxton_server.runtime.admissions import judge
from caxton_server.runtime.kernel import Kernel, PlatformAgent
from caxton_server.runtime.receivers import Receivers
from caxton_server.runtime.rooms import find_room
from caxton_server.runtime.verdicts import (
    NOT_A_MESSAGE,
    NOT_LEGAL,
    Planned,
    Refused,
)

if TYPE_CHECKING:
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.steps import Step


PROTOCOL_ONLY: Final = frozenset({
    Performative.AGREE, Performative.REFUSE, Performative.ACCEPT_PROPOSAL,
    Performative.REJECT_PROPOSAL, Performative.CANCEL,
})  # fmt: skip
_OUTSIDE: Final = Refused(
    NOT_LEGAL,
    "unknown-conversation",
    "this act answers something, and names no open conversation",
    admission=True,
)

_GROUP_INSIDE: Final = Refused(
    NOT_LEGAL,
    "not-a-party",
    "in a conversation its parties are named, or nobody for all of them",
    admission=True,
)
_NO_CONVERSATION_ID: Final = Refused(
    NOT_A_MESSAGE,
    "invalid_message",
    f"conversation_id is not printable text of 1 to {ConversationId.LONGEST} characters",
)


class Router:
    """Finds receivers and judges messages."""

    def __init__(self, kernel: Kernel, conversations: Conversations) -> None:
        self.kernel = kernel
        self.receivers = Receivers(kernel)
        self.conversations = conversations

    def plan(
        self,
        author: Cell | PlatformAgent,
        draft: Draft,
        *,
        parent: FipaMessage | None = None,
        answers: FipaMessage | None = None,
        step: Step | None = None,
    ) -> Planned | Refused:
        """Judge a draft.

        Args:
            parent: the message being handled, whose trace goes on.
            answers: the message that `draft` is the response to, whose fields fill those left out.
            step: what the author has already done, and not yet committed.
        """
        kernel = self.kernel
        receiver, conversation_id, protocol = draft.receiver, draft.conversation_id, draft.protocol
        ontology, language, in_reply_to = draft.ontology, draft.language, draft.in_reply_to
        if answers is not None:
            if receiver is None:
                receiver = answers.reply_to if answers.reply_to is not None else answers.sender
            if ontology is None:
                ontology = answers.ontology
            if language is None:
                language = answers.language
            if conversation_id is None or conversation_id == answers.conversation_id:
                conversation_id = answers.conversation_id or None
                if protocol is None:
                    protocol = answers.protocol
                if in_reply_to is None:
                    in_reply_to = answers.reply_with or answers.id
        target = kernel.directory.get(receiver) if type(receiver) is str else None
        targets: tuple[Cell | PlatformAgent, ...]
        if target is not None:
            targets = (target,)
        else:
            found = self.receivers.find(author, receiver, answers)
            if isinstance(found, Refused):
                return found
            targets = found
        now = kernel.now
        due: int | None = None
        reply_by = draft.reply_by
        if reply_by is not None:
            due = parse_time(reply_by, now_ms=now)
            if due is None:
                return Refused(
                    NOT_A_MESSAGE, "invalid_message", f"reply_by {reply_by[:40]!r} is no time"
                )
            reply_by = format_time(due)
        before = after = None
        awarded: tuple[str, ...] = ()
        missed: tuple[Refused, ...] = ()
        reply_to = draft.reply_to
        if reply_to is not None:
            reply_to = self.receivers.complete(reply_to)
        message_id = draft.id
        if message_id is None:
            message_id = kernel.uuids.next(now)
        elif isinstance(MessageId.parse(message_id), Failure):
            return Refused(NOT_A_MESSAGE, "invalid_message", f"id {message_id[:40]!r} is no UUID")
        if conversation_id is not None:
            if draft.conversation_id is not None and (
                not conversation_id
                or len(conversation_id) > ConversationId.LONGEST
                or not conversation_id.isprintable()
            ):
                return _NO_CONVERSATION_ID
            conversations = self.conversations
            if step is not None and step.conversations:
                before = step.conversations.get(conversation_id)
            if before is None:
                before = conversations.open.get(conversation_id)
                if before is None:
                    before = conversations.closed.get(conversation_id)
        if protocol is not None or before is not None:
            if before is not None and before.open_legs and target is None and is_group(receiver):
                return _GROUP_INSIDE
            verdict = judge(
                self.conversations,
                author,
                draft,
                before,
                conversation_id,
                protocol,
                targets,
                message_id,
                in_reply_to,
                due,
                reply_to,
                step,
            )
            if isinstance(verdict, Refused):
                return verdict
            after, addresses, awarded = verdict.conversation, verdict.receivers, verdict.awarded
            conversation_id, protocol = after.id, after.protocol
            if len(addresses) != len(targets) or receiver is None:
                targets, missed = self.receivers.parties(addresses)
        elif draft.performative in PROTOCOL_ONLY:
            return _OUTSIDE
        elif conversation_id is None:
            conversation_id = kernel.uuids.next(now)
        if not targets:
            return (
                missed[0]
                if missed
                else Refused(
                    NOT_A_MESSAGE, "invalid_message", "Object missing required field `receiver`"
                )
            )
        if parent is not None:
            traceparent = parent.traceparent
        elif type(author) is PlatformAgent and draft.traceparent is not None:
            traceparent = draft.traceparent
        else:
            traceparent = kernel.new_traceparent()
        message = FipaMessage(
            draft.performative, author.address,
            targets[0].address if len(targets) == 1 else [each.address for each in targets],
            draft.content, conversation_id, message_id, kernel.stamp, traceparent,
            language, draft.encoding, ontology, protocol, reply_to, draft.reply_with, in_reply_to, reply_by,
            draft.extras,
        )  # fmt: skip
        return find_room(
            self.conversations,
            author,
            message,
            targets,
            step,
            before,
            after,
            awarded,
            draft,
            answers,
            missed,
        )
