"""Room: whether everybody a message is for may have it, can read it and has room for it.

Rules:
- Nothing changes here: what would be sent is returned, or why not.
- A message is encoded once per codec, and every receiver gets those bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core.messages import encode

from caxton_server.runtime.kernel import PlatformAgent
from caxton_server.runtime.verdicts import (
    MAILBOX_FULL,
    NO_RECEIVER,
    NOT_A_MESSAGE,
    NOT_ALLOWED,
    OVER_RATE,
    TOO_LARGE,
    Planned,
    Refused,
)

if TYPE_CHECKING:
    from caxton_core.conversations import Conversation
    from caxton_core.messages import Draft, FipaMessage
    from caxton_core.nesting import Codec

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.steps import Step


def find_room(
    conversations: Conversations,
    author: Cell | PlatformAgent,
    message: FipaMessage,
    targets: tuple[Cell | PlatformAgent, ...],
    step: Step | None,
    before: Conversation | None,
    after: Conversation | None,
    awarded: tuple[str, ...],
    draft: Draft,
    answers: FipaMessage | None,
    missed: tuple[Refused, ...],
) -> Planned | Refused:
    """Encode the message and see that everybody named may have it and has room for it."""
    wires: dict[Codec, bytes] = {}
    opens = after is not None and before is None
    planned = step is not None and step.planned
    size = 0
    # In a conversation delivery can fail for one of several receivers; the others get the message all the same.
    several = after is not None and len(targets) + len(missed) > 1
    for target in targets:
        codec: Codec = target.codec
        wire = wires.get(codec)
        if wire is None:
            try:
                wire = wires[codec] = encode(message, codec)
            except (OverflowError, ValueError, TypeError, RecursionError) as error:
                return Refused(
                    NOT_A_MESSAGE,
                    "invalid_message",
                    f"the content has no {codec} form: {error}",
                )
        size = len(wire)
        if type(target) is PlatformAgent:
            if target.turns_away is not None and target.turns_away(author.address):
                return Refused(
                    MAILBOX_FULL,
                    "mailbox_full",
                    f"{target.address} has too much before it",
                    target.address,
                )
            continue
        if not target.open and not target.accepts(after, opens=opens):
            refused = Refused(
                NO_RECEIVER,
                "not_running",
                f"{target.address} is {target.state}",
                target.address,
            )
            if several:
                missed += (refused,)
                continue
            return refused
        if (
            type(author) is not PlatformAgent
            and not author.send_all
            and not author.may_address(target, answers)
        ):
            return Refused(
                NOT_ALLOWED, "forbidden", f"{author.address} may not address {target.address}"
            )
        if size > target.message_size:
            detail = f"{target.address} takes {target.message_size} bytes"
            return Refused(
                TOO_LARGE,
                "payload_too_large",
                detail,
                target.address,
                size=len(wire),
                limit=target.message_size,
                over="message_size",
            )
        if (planned or not target.mailbox.has_room(size)) and not _fits(target, size, step):
            refused = Refused(
                MAILBOX_FULL,
                "mailbox_full",
                f"the mailbox of {target.address} is full",
                target.address,
                over="mailbox",
            )
            if several:
                missed += (refused,)
                continue
            return refused
    # The response is one more than what a step may send: who has said much must still be able to answer.
    sent = 0 if step is None or answers is not None else step.fan_out
    if step is not None and sent + len(targets) > step.cell.fan_out:
        return Refused(
            OVER_RATE,
            "rate_limited",
            f"more than {step.cell.fan_out} messages in one step",
            over="fan_out",
        )
    if missed:
        names = {refused.receiver for refused in missed}
        targets = tuple([target for target in targets if target.address not in names])
        if not targets:
            return missed[0]
        if after is not None:
            after = conversations.without(after, names)
    return Planned(message, wires, targets, size, before, after, awarded, draft, missed, author)


def _fits(target: Cell, size: int, step: Step | None) -> bool:
    """Tell whether a mailbox has room, seen through what the step has already queued for it."""
    messages = 1
    if step is not None:
        for planned in step.planned:
            if target in planned.targets:
                messages += 1
                size += len(planned.wires[target.codec])
    return target.mailbox.has_room(size, messages=messages)
