"""Whether a message may be sent in its conversation, or may open one: what the router asks the engine.

Rules:
- A verdict changes nothing; only what deadlines had moved before a message that is refused is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core.conversations import Admission, Conversation, Rejection, admit, open_conversation

from caxton_server.runtime.verdicts import NOT_LEGAL, OVER_RATE, Refused

if TYPE_CHECKING:
    from caxton_core.messages import Draft

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.kernel import PlatformAgent
    from caxton_server.runtime.steps import Step


def judge(
    conversations: Conversations,
    author: Cell | PlatformAgent,
    draft: Draft,
    before: Conversation | None,
    conversation_id: str | None,
    protocol_name: str | None,
    targets: tuple[Cell | PlatformAgent, ...],
    message_id: str,
    in_reply_to: str | None,
    due: int | None,
    reply_to: str | list[str] | None,
    step: Step | None,
) -> Admission | Refused:
    """Ask the engine about a message; a conversation that its timers moved is committed at once."""
    kernel = conversations.kernel
    addresses = tuple([target.address for target in targets])
    if reply_to is None:
        answers_to: tuple[str, ...] = ()
    else:
        answers_to = (reply_to,) if type(reply_to) is str else tuple(reply_to)
    if before is None:
        protocol = conversations.protocols.get(protocol_name or "")
        if protocol is None:
            return Refused(
                NOT_LEGAL,
                "unknown-protocol",
                f"no plugin brings {protocol_name!r}",
                protocol_name or "",
                admission=True,
            )
        if draft.performative not in protocol.openers:
            reason = "unknown-conversation" if conversation_id is None else "out-of-sequence"
            return Refused(
                NOT_LEGAL,
                reason,
                f"{draft.performative} opens no {protocol.name}",
                admission=True,
            )
        if conversation_id is None:
            conversation_id = kernel.uuids.next(kernel.now)
        pending = (
            0
            if step is None
            else sum(
                1 for planned in step.planned if planned.before is None and planned.conversation
            )
        )
        if conversations.per_agent[author.address] + pending >= author.conversation_limit:
            return Refused(
                OVER_RATE,
                "rate_limited",
                f"{author.address} has {author.conversation_limit} open conversations",
                over="conversations",
            )
        lifetime = conversations.lifetimes.get(conversation_id, conversations.ttl_ms)
        verdict = open_conversation(
            protocol,
            id=conversation_id,
            initiator=author.address,
            participants=addresses,
            performative=draft.performative,
            message_id=message_id,
            reply_with=draft.reply_with,
            reply_by_ms=due,
            reply_to=answers_to,
            expires_at=kernel.now + lifetime,
            now=kernel.now,
        )
    else:
        verdict = admit(
            conversations.protocols[before.protocol],
            before,
            performative=draft.performative,
            sender=author.address,
            receivers=addresses,
            message_id=message_id,
            reply_with=draft.reply_with,
            in_reply_to=in_reply_to,
            reply_by_ms=due,
            protocol_given=protocol_name,
            reply_to=answers_to,
            now=kernel.now,
        )
    if isinstance(verdict, Rejection):
        moved = verdict.conversation
        if moved is not None and conversations.open.get(moved.id) is before:
            conversations.commit(moved, before)
        return Refused(NOT_LEGAL, verdict.reason, verdict.detail, admission=True)
    return verdict
