"""Timers: something to be told later, over restarts too.

Rules:
- a timer has a name, by which its handler is found, and may carry a value; both together at most 4 KiB.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from caxton_agent.hosts import TooManyTimers, host
from caxton_agent.messages import Message, encode

ONTOLOGY = "caxton-timer"


@dataclass(frozen=True)
class Rung:
    """A timer that has rung."""

    name: str
    content: Any


def set_timer(seconds: float, name: str, content: Any = None) -> int:
    """Ask to be told in so many seconds, and return the timer's number; TooManyTimers over the limit."""
    payload = encode([name, content]).encode()
    timer = host().set_timer(max(0, round(seconds * 1000)), payload)
    if timer is None:
        raise TooManyTimers(f"no room for the timer {name!r}")
    return timer


def cancel_timer(timer: int) -> bool:
    """Take a timer back; False when it is unknown."""
    return host().cancel_timer(timer)


def rung(message: Message) -> Rung | None:
    """Read the timer that a message brings, if it is one set by this library."""
    if message.ontology != ONTOLOGY or not message.from_platform:
        return None
    try:
        name, content = json.loads(message.content)
    except (TypeError, ValueError):
        return None
    return Rung(name, content) if isinstance(name, str) else None
