"""ACL messages as an agent reads and writes them: contents are Python values.

Rules:
- a message is a value, never changed; an answer is made from the message it answers;
- what the platform sets (`sender`, `id`, `timestamp`, `traceparent`) is only read;
- None is no content; JSON's null reads as None too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Performative: TypeAlias = Literal[
    "accept-proposal", "agree", "cancel", "cfp", "confirm", "disconfirm", "failure", "inform",
    "inform-if", "inform-ref", "not-understood", "propagate", "propose", "proxy", "query-if",
    "query-ref", "refuse", "reject-proposal", "request", "request-when", "request-whenever",
    "subscribe",
]  # fmt: skip


def encode(value: Any) -> str:
    """Write a value as JSON; a value that is none raises TypeError or ValueError.

    >>> encode({"price": 7})
    '{"price":7}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Half a surrogate pair is text in Python and nowhere else.
    text.encode()
    return text


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message."""

    performative: Performative
    receivers: tuple[str, ...] = ()
    content: Any = None
    sender: str = ""
    reply_to: tuple[str, ...] = ()
    language: str | None = None
    encoding: str | None = None
    ontology: str | None = None
    protocol: str | None = None
    conversation_id: str | None = None
    reply_with: str | None = None
    in_reply_to: str | None = None
    reply_by: str | None = None
    id: str | None = None
    timestamp: str | None = None
    traceparent: str | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)

    @property
    def from_platform(self) -> bool:
        """Say whether the platform itself speaks: a failure, a not-understood, a timer."""
        home = self.receivers[0].partition("@")[2] if self.receivers else ""
        return self.sender == f"ams@{home}"

    def reply(
        self,
        performative: Performative,
        content: Any = None,
        *,
        reply_with: str | None = None,
        reply_by: str | None = None,
        extras: Mapping[str, Any] | None = None,
    ) -> Message:
        """Make an answer, to be returned by a handler or to be sent.

        >>> asked = Message(performative="request", sender="ann@caxton", id="1", conversation_id="c")
        >>> asked.reply("inform", 7).receivers
        ('ann@caxton',)
        """
        return Message(
            performative=performative,
            receivers=self.reply_to or (self.sender,),
            content=content,
            ontology=self.ontology,
            protocol=self.protocol,
            conversation_id=self.conversation_id,
            reply_with=reply_with,
            in_reply_to=self.reply_with or self.id,
            reply_by=reply_by,
            extras=extras or {},
        )

    def inform(self, content: Any = None) -> Message:
        """Answer with a result."""
        return self.reply("inform", content)

    def agree(self, content: Any = None) -> Message:
        """Answer that it will be done; the result follows."""
        return self.reply("agree", content)

    def refuse(self, reason: Any = None) -> Message:
        """Answer that it will not be done; who asked without a protocol is told of a failure."""
        return self.reply("refuse" if self.protocol else "failure", reason)

    def failure(self, reason: Any = None) -> Message:
        """Answer that it could not be done."""
        return self.reply("failure", reason)

    def not_understood(self, reason: Any = None) -> Message:
        """Answer that this makes no sense here."""
        return self.reply("not-understood", reason)


def names(receivers: str | Iterable[str]) -> tuple[str, ...]:
    """Take one name or several.

    >>> names("ann")
    ('ann',)
    """
    return (receivers,) if isinstance(receivers, str) else tuple(receivers)


def delay(seconds: float) -> str:
    """Say when an answer is due, this long from now.

    >>> delay(2.5)
    '+2500ms'
    """
    return f"+{round(seconds * 1000)}ms"
