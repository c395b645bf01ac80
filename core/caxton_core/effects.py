"""What strategies and other pure code ask the runtime to do: values, performed elsewhere.

Rules:
- Deciding returns effects, in the order in which they are to be performed; only `runtime/effects.py` performs them.
- Every effect can be stored before it is performed, so a node that dies in between performs it after its restart:
  performing one twice must do no harm.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from caxton_core.events import Event
from caxton_core.ids import AgentId
from caxton_core.messages import FipaMessage
from caxton_core.units import Duration, Percentage


class Deliver(msgspec.Struct, frozen=True, tag="deliver"):
    """Hand an agent a message from its mailbox."""

    agent: AgentId
    message: FipaMessage


class Send(msgspec.Struct, frozen=True, tag="send"):
    """Route a message."""

    message: FipaMessage


class Publish(msgspec.Struct, frozen=True, tag="publish"):
    """Tell whoever listens to events."""

    event: Event


class StartTimer(msgspec.Struct, frozen=True, tag="start-timer"):
    """Report `TimerFired(name)` after a while; a running timer of that name begins anew."""

    name: str
    after: Duration


class CancelTimer(msgspec.Struct, frozen=True, tag="cancel-timer"):
    """Forget a timer, if it runs."""

    name: str


class Advance(msgspec.Struct, frozen=True, tag="advance"):
    """Fire an event of the deployment's table."""

    event: str
    detail: str = ""


class StartVersion(msgspec.Struct, frozen=True, tag="start-version"):
    """Start an instance of a version, without traffic; answered by VersionStarted or VersionFailed."""

    version: str


class StopVersion(msgspec.Struct, frozen=True, tag="stop-version"):
    """Stop a version once its open conversations have ended; it gets no new ones."""

    version: str


class ShiftTraffic(msgspec.Struct, frozen=True, tag="shift-traffic"):
    """Let a version have this share of the new conversations."""

    version: str
    share: Percentage


class Promote(msgspec.Struct, frozen=True, tag="promote"):
    """Make a version the agent's own; answered by Promoted."""

    version: str


class Rollback(msgspec.Struct, frozen=True, tag="rollback"):
    """Give all new conversations back to the version before."""

    version: str
    reason: str


RolloutEffect: TypeAlias = (
    Advance | StartVersion | StopVersion | ShiftTraffic | Promote | Rollback | StartTimer | CancelTimer
)  # fmt: skip
"""What a strategy may ask for."""

Effect: TypeAlias = RolloutEffect | Deliver | Send | Publish
