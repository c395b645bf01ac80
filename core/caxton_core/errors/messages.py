"""What can go wrong with messages, conversations and the limits they meet."""

from __future__ import annotations

from caxton_core.errors.problems import Problem


class InvalidMessage(Problem, frozen=True):
    """Bytes or a document that is no ACL message; `path` is a JSON pointer."""

    detail: str
    path: str = ""
    code = "invalid_message"
    SENTENCE = "Invalid message: {detail}."


class InvalidAclString(Problem, frozen=True):
    """Bytes that are no message in FIPA's string form: `reason` is a word of docs/messages.md.

    `offset` counts bytes from 0; `line` and `column` count from 1, columns in characters.
    """

    reason: str
    detail: str
    offset: int
    line: int
    column: int
    code = "invalid_message"
    SENTENCE = "Invalid message at line {line}, column {column} (byte {offset}): {detail}."


class MailboxFull(Problem, frozen=True):
    """The receiver can't take another message now."""

    agent: str
    code = "mailbox_full"
    SENTENCE = "The mailbox of {agent} is full."


class UnknownProtocol(Problem, frozen=True):
    """No plugin brings this protocol; `nearest` is the known one it resembles."""

    protocol: str
    nearest: str = ""
    code = "unknown_protocol"
    SENTENCE = "Unknown protocol {protocol!r}."


class ConversationNotFound(Problem, frozen=True):
    """No conversation has this id."""

    conversation_id: str
    code = "conversation_not_found"
    SENTENCE = "Conversation {conversation_id} not found."


class NotAdmitted(Problem, frozen=True):
    """The conversation does not allow this message now: `reason` is a word of docs/conversations.md."""

    reason: str
    detail: str
    conversation_id: str = ""
    code = "not_admitted"
    SENTENCE = "Message not admitted ({reason}): {detail}."


class DeliveryFailed(Problem, frozen=True):
    """An accepted message was not handled."""

    message_id: str
    reason: str
    detail: str
    code = "delivery_failed"
    SENTENCE = "Message {message_id} was not delivered ({reason}): {detail}."


class Timeout(Problem, frozen=True):
    """What was waited for did not come in time."""

    waiting_for: str
    seconds: float
    code = "timeout"
    SENTENCE = "No {waiting_for} within {seconds:g} s."


class LimitExceeded(Problem, frozen=True):
    """A limit was hit: `limit` is its key in the manifest or the configuration."""

    limit: str
    allowed: int
    attempted: int | None = None
    code = "limit_exceeded"

    def __str__(self) -> str:
        tried = "" if self.attempted is None else f" ({self.attempted} attempted)"
        return f"The limit {self.limit} of {self.allowed} is exceeded{tried}."


class PayloadTooLarge(Problem, frozen=True):
    """A body or message over its size limit."""

    what: str
    size: int
    limit: int
    code = "payload_too_large"
    SENTENCE = "The {what} has {size} bytes; {limit} are allowed."


class RateLimited(Problem, frozen=True):
    """Too many requests; try again after so many seconds."""

    retry_after: float
    code = "rate_limited"
    SENTENCE = "Too many requests; retry after {retry_after:g} s."
