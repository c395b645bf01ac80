"""What an agent may do in a step: send, know the time, draw random bytes.

Rules:
- all of it happens when the handler returns, or, when an exception leaves it, not at all.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from caxton_agent.hosts import Level, NotSent, host
from caxton_agent.messages import Message, Performative, delay, names

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def send(message: Message) -> None:
    """Queue a message; NotSent says why the node does not take it."""
    refusal = host().send(message)
    if refusal is not None:
        raise NotSent(refusal, message)


def tell(
    receivers: str | Iterable[str],
    performative: Performative,
    content: Any = None,
    *,
    reply_in: float | None = None,
    extras: Mapping[str, Any] | None = None,
    **fields: str | None,
) -> None:
    """Send a message to one agent or several; `fields` are the other fields of Message."""
    send(
        Message(
            performative=performative,
            receivers=names(receivers),
            content=content,
            reply_by=None if reply_in is None else delay(reply_in),
            extras=extras or {},
            **fields,  # type: ignore[arg-type]  # a wrong name is Message's to refuse
        )
    )


def now_ms() -> int:
    """Return when this step began, in milliseconds since the epoch."""
    return host().now_ms()


def now() -> datetime:
    """Return when this step began, in UTC."""
    return _EPOCH + timedelta(milliseconds=host().now_ms())


def random_bytes(size: int) -> bytes:
    """Return random bytes of this step's stream."""
    return host().random(size)


def new_random() -> random.Random:
    """Return a generator of random numbers, seeded by the node."""
    return random.Random(int.from_bytes(host().random(32), "big"))


def new_id() -> str:
    """Return an identifier that nobody else has."""
    return host().random(16).hex()


def log(text: str, level: Level = "info") -> None:
    """Write a line into the agent's log; cut at 8 KiB."""
    host().log(level, text)
