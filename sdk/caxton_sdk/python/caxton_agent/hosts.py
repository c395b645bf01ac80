"""The node as the library sees it, and which one there is: the real one in a component, another in a unit test.

Rules:
- there is a host only while a call of the node runs: what a module does when it is imported happens at build time;
- a refusal of the node is an exception; one that a handler lets pass undoes the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, TypeAlias

from caxton_agent.messages import Message

Refusal: TypeAlias = Literal[
    "invalid", "no-such-receiver", "mailbox-full", "not-allowed", "not-admitted", "too-large",
    "over-limit",
]  # fmt: skip
Level: TypeAlias = Literal["trace", "debug", "info", "warn", "error"]


class NotSent(Exception):
    """The node did not take a message; `refusal` says why."""

    def __init__(self, refusal: Refusal, message: Message) -> None:
        super().__init__(f"{message.performative} to {', '.join(message.receivers)}: {refusal}")
        self.refusal = refusal
        self.sent = message


class StateFull(Exception):
    """The agent's durable state has no room for this."""


class TooManyTimers(Exception):
    """1,000 timers are pending, or this one carries more than 4 KiB."""


class OutsideStep(Exception):
    """Something was asked of the node while no message is handled."""


class Host(Protocol):
    """What a node offers an agent while it handles a message."""

    def send(self, message: Message) -> Refusal | None:
        """Queue a message, or say why not."""

    def log(self, level: Level, text: str) -> None:
        """Write a line into the agent's log."""

    def now_ms(self) -> int:
        """Return when this step began, in milliseconds since the epoch."""

    def random(self, size: int) -> bytes:
        """Return random bytes, at most 64 KiB."""

    def state_get(self, key: bytes) -> bytes | None:
        """Read a durable value."""

    def state_put(self, key: bytes, value: bytes) -> bool:
        """Write one; False over the quota."""

    def state_delete(self, key: bytes) -> bool:
        """Forget one; False when there is none."""

    def set_timer(self, delay_ms: int, payload: bytes) -> int | None:
        """Ask to be told later; None when there are too many."""

    def cancel_timer(self, timer: int) -> bool:
        """Take a timer back; False when it is unknown."""


_hosts: list[Host] = []


def host() -> Host:
    """Return the node that runs the present step."""
    if not _hosts:
        raise OutsideStep(
            "the node can be asked only while a message is handled, not when a module is imported"
        )
    return _hosts[-1]


def inside() -> bool:
    """Say whether a step runs."""
    return bool(_hosts)


@contextmanager
def step(of: Host) -> Iterator[None]:
    """Let a step run on this node."""
    _hosts.append(of)
    try:
        yield
    finally:
        _hosts.pop()
