"""What the node shows of itself: frozen values, encoded to JSON exactly as they stand.

Rules:
- Times are RFC 3339 text, handles are decimal text (they do not fit a JSON number everywhere).
- A view is a copy; changing the node never changes it.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Part of a list; `next_cursor` leads to the next part, None at the end."""

    items: list[T]
    next_cursor: str | None = None


class MemoryView(msgspec.Struct, frozen=True):
    """What the instances of all agents have of the node's memory, in bytes; `limit` is None when there is none."""

    used: int
    limit: int | None = None


class HealthView(msgspec.Struct, frozen=True):
    """The node in one look."""

    status: str
    version: str
    node: str
    uptime_s: float
    agents: dict[str, int]
    durability: str
    memory: MemoryView = MemoryView(0)


class CheckView(msgspec.Struct, frozen=True):
    """One readiness check."""

    name: str
    ok: bool
    detail: str = ""


class ServiceView(msgspec.Struct, frozen=True):
    """One service an agent offers, as the directory shows it."""

    agent: str
    type: str
    name: str
    protocols: list[str]


class AgentView(msgspec.Struct, frozen=True):
    """An agent: who it is, what it runs and how it fares."""

    id: str
    name: str
    address: str
    state: str
    version: str
    module: str
    sandbox: str
    profile: str
    codec: str
    services: list[ServiceView]
    queue: int
    restarts: int
    created_at: str
    detail: str
    etag: str
    restarting_at: str | None = None
    """When the instance it waits for is due, after a fault."""


class DeploymentView(msgspec.Struct, frozen=True):
    """The move of an agent to a version."""

    id: str
    agent: str
    version: str
    module: str
    strategy: str
    state: str
    detail: str
    created_at: str
    updated_at: str


class DeployedView(msgspec.Struct, frozen=True):
    """The answer to a deploy."""

    agent: AgentView
    deployment: DeploymentView


class ModuleView(msgspec.Struct, frozen=True):
    """A module the node holds; `signed_by` is the id of the trusted key that has signed it."""

    sha256: str
    size: int
    profile: str
    exports: list[str]
    imports: list[str]
    cached: bool
    signed_by: str | None = None


class StatsView(msgspec.Struct, frozen=True):
    """What an agent has used since it was deployed or the node started; `traps` are those of its faults that were traps.

    `restarts` are those since it was deployed, `restart_reason` is that of the last one.
    """

    id: str
    name: str
    state: str
    fuel: int
    cpu_ms: float
    memory: int
    messages_in: int
    messages_out: int
    faults: int
    traps: int
    restarts: int
    queue: int
    queue_bytes: int
    state_bytes: int
    timers: int
    log_bytes_dropped: int
    limits_reached: dict[str, int]
    held: int = 0
    """Messages that wait to be tried again, and those that wait behind them."""
    recent_restarts: int = 0
    """Restarts that count against it now."""
    restart_reason: str = ""
    restarting_at: str | None = None


class LogLine(msgspec.Struct, frozen=True):
    """One line an agent wrote; `seq` counts from 1 per agent."""

    seq: int
    time: str
    level: str
    text: str


class VersionView(msgspec.Struct, frozen=True):
    """One version an agent has run."""

    version: str
    module: str
    deployment: str
    state: str
    created_at: str


class AcceptedView(msgspec.Struct, frozen=True):
    """The acknowledgement of a message; `durability` says what it is worth."""

    id: str
    conversation_id: str
    durability: str


class ExchangeView(msgspec.Struct, frozen=True):
    """A message and the reply it got."""

    message: dict[str, Any]
    reply: dict[str, Any]


class HistoryEntry(msgspec.Struct, frozen=True):
    """One thing that happened to a message."""

    event: str
    time: str
    agent: str
    detail: str = ""


class MessageView(msgspec.Struct, frozen=True):
    """A stored message with its delivery history."""

    message: dict[str, Any]
    history: list[HistoryEntry]


class LegView(msgspec.Struct, frozen=True):
    """One participant's part of a conversation; `result` is what it said last, where the server is the initiator."""

    participant: str
    state: str
    outcome: str | None
    result: Any = None


class ConversationView(msgspec.Struct, frozen=True):
    """A conversation; `winner` and `result` say what came of it where the server is the initiator."""

    id: str
    protocol: str
    initiator: str
    participants: list[str]
    state: str
    phase: str
    outcome: str | None
    winner: str | None
    result: Any
    legs: list[LegView]
    messages: int
    created_at: str
    expires_at: str | None


class DeadLetterView(msgspec.Struct, frozen=True):
    """A message that could not be delivered or handled."""

    id: str
    reason: str
    detail: str
    message: dict[str, Any]
    receiver: str
    created_at: str
    attempts: int


class EventView(msgspec.Struct, frozen=True):
    """One entry of the event log."""

    seq: int
    type: str
    time: str
    agent: str | None
    conversation: str | None
    data: dict[str, Any]


class PluginView(msgspec.Struct, frozen=True):
    """A loaded plugin and what it adds."""

    name: str
    distribution: str
    version: str
    provides: list[str]
