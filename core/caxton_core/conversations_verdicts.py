"""The rejections of docs/conversations.md, made once."""

from __future__ import annotations

from typing import Final

from caxton_core.conversations_values import LIMIT, Rejection

__all__ = [
    "BAD_IN_REPLY_TO", "FULL", "LEG_CLOSED", "NOT_A_PARTY", "OUT_OF_SEQUENCE", "TERMINATED",
    "UNKNOWN_CONVERSATION", "UNKNOWN_PROTOCOL", "WRONG_PROTOCOL", "WRONG_RECEIVER",
]  # fmt: skip

UNKNOWN_CONVERSATION: Final = Rejection(
    "unknown-conversation", "no conversation has this id and the message can't begin one"
)
UNKNOWN_PROTOCOL: Final = Rejection("unknown-protocol", "no protocol of this name is installed")
WRONG_PROTOCOL: Final = Rejection("wrong-protocol", "the conversation follows a different protocol")
NOT_A_PARTY: Final = Rejection(
    "not-a-party", "its sender or one of its receivers takes no part in the conversation"
)
OUT_OF_SEQUENCE: Final = Rejection(
    "out-of-sequence", "the protocol does not allow this act from this sender now"
)
TERMINATED: Final = Rejection("terminated", "the conversation has ended")
WRONG_RECEIVER: Final = Rejection(
    "wrong-receiver",
    "a participant may write only to the initiator or to the reply-to it was given",
)
LEG_CLOSED: Final = Rejection("leg-closed", "the participant's part of the conversation is over")
BAD_IN_REPLY_TO: Final = Rejection(
    "bad-in-reply-to", "in-reply-to does not quote the message that waits for an answer"
)
FULL: Final = Rejection("conversation-full", f"the conversation already holds {LIMIT} messages")
