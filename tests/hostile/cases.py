"""What a hostile case is: a module, the call it attacks, and what must become of it.

Rules:
- A case is data: modules are made when asked for, from text or a few bytes, and nothing of them is kept.
- Every case has one outcome. What holds for all of them (neighbours answer, the node takes another agent, nothing leaks)
  is checked by `nodes.py` and not said again here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec
from caxton_core.ports import FATAL_REASONS

Attack: TypeAlias = Literal["load", "start", "handle", "drain", "export", "import"]
"""The call in which a case does its worst; `start` is everything before the first message."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The module is refused when it is loaded, with a text that holds `detail`."""

    detail: str


class NotStarted(msgspec.Struct, frozen=True, tag=True):
    """The module is accepted, and its start fails for this reason."""

    reason: str
    detail: str = ""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The sender gets a failure with this reason; for a fatal one the instance is replaced."""

    reason: str
    detail: str = ""

    @property
    def fatal(self) -> bool:
        """Whether the instance must be a new one afterwards."""
        return self.reason in FATAL_REASONS


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The message is handled, and then the instance has ended itself in order; it is replaced."""


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The sender gets a reply of the agent itself with this content."""

    content: Any


class Silent(msgspec.Struct, frozen=True, tag=True):
    """The message is handled, and nobody is told anything."""


class Logged(msgspec.Struct, frozen=True, tag=True):
    """The message is handled without a reply, and the log then holds these lines and no others."""

    lines: tuple[str, ...]


class Stopped(msgspec.Struct, frozen=True, tag=True):
    """The agent stops when it is told to, whatever its last call did."""


class NotPromoted(msgspec.Struct, frozen=True, tag=True):
    """The next version does not take over, for this reason, and the agent goes on as it was."""

    reason: str
    detail: str = ""


Outcome: TypeAlias = (
    Refused | NotStarted | Failed | Ended | Answered | Silent | Logged | Stopped | NotPromoted
)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One hostile guest.

    `message` are fields of the message it gets; `before` are messages to others that come first; `next` is the module
    of the version that follows, for a hand-over of state; `manifest` is what its manifest says besides the name.
    """

    name: str
    module: Callable[[], bytes]
    attacks: Attack
    outcome: Outcome
    manifest: Mapping[str, Any] = {}
    message: Mapping[str, Any] = {}
    before: tuple[Mapping[str, Any], ...] = ()
    next: Callable[[], bytes] | None = None
    slow: bool = False
    """It keeps the compiler busy for seconds."""


def load(name: str, module: Callable[[], bytes], detail: str, **more: Any) -> Case:
    """Make a case that must be refused at load."""
    return Case(name=name, module=module, attacks="load", outcome=Refused(detail), **more)


def start(
    name: str, module: Callable[[], bytes], reason: str, detail: str = "", **more: Any
) -> Case:
    """Make a case whose start must fail."""
    return Case(
        name=name, module=module, attacks="start", outcome=NotStarted(reason, detail), **more
    )


def fails(
    name: str, module: Callable[[], bytes], reason: str, detail: str = "", **more: Any
) -> Case:
    """Make a case whose message must fail."""
    return Case(name=name, module=module, attacks="handle", outcome=Failed(reason, detail), **more)


def answers(name: str, module: Callable[[], bytes], content: Any, **more: Any) -> Case:
    """Make a case that must be survived, and says itself what it saw."""
    return Case(name=name, module=module, attacks="handle", outcome=Answered(content), **more)


def silent(name: str, module: Callable[[], bytes], **more: Any) -> Case:
    """Make a case that must be survived without a word."""
    return Case(name=name, module=module, attacks="handle", outcome=Silent(), **more)
