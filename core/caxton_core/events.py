"""What happened: the events that the node publishes and keeps.

Rules:
- The tag is the event's name on the wire: `<noun>.<fact>`, in lower case.
- Agents are named by their full address, everything else by its id.
- An event says what has happened, after it was committed; it never asks for anything.
"""

from __future__ import annotations

from typing import Final, TypeAlias, get_args

import msgspec


class AgentDeployed(msgspec.Struct, frozen=True, tag="agent.deployed"):
    """A version was accepted for an agent."""

    agent: str
    version: str
    module: str


class AgentStarted(msgspec.Struct, frozen=True, tag="agent.started"):
    """An agent runs."""

    agent: str
    version: str


class AgentDraining(msgspec.Struct, frozen=True, tag="agent.draining"):
    """An agent begins nothing new."""

    agent: str


class AgentSuspended(msgspec.Struct, frozen=True, tag="agent.suspended"):
    """An agent rests."""

    agent: str


class AgentResumed(msgspec.Struct, frozen=True, tag="agent.resumed"):
    """An agent is handed messages again."""

    agent: str


class AgentStopped(msgspec.Struct, frozen=True, tag="agent.stopped"):
    """An agent has ended in order."""

    agent: str


class AgentRestarted(msgspec.Struct, frozen=True, tag="agent.restarted"):
    """An agent gets a new instance because of `reason`, the `attempt`th in a row, in so many milliseconds."""

    agent: str
    reason: str
    attempt: int = 0
    delay_ms: int = 0


class AgentFailed(msgspec.Struct, frozen=True, tag="agent.failed"):
    """An agent was given up; `why` is a word for what forbade another start, `restarts` how many there had been."""

    agent: str
    reason: str
    detail: str
    why: str = ""
    restarts: int = 0


class AgentLimited(msgspec.Struct, frozen=True, tag="agent.limited"):
    """An agent reached a limit, so many times since this was last said."""

    agent: str
    limit: str
    detail: str
    times: int


class AgentRemoved(msgspec.Struct, frozen=True, tag="agent.removed"):
    """An agent is gone; its handle is never used again."""

    agent: str


class ConversationStarted(msgspec.Struct, frozen=True, tag="conversation.started"):
    """An opener was admitted."""

    conversation: str
    protocol: str
    initiator: str
    participants: tuple[str, ...]


class ConversationAwarded(msgspec.Struct, frozen=True, tag="conversation.awarded"):
    """The initiator accepted a proposal."""

    conversation: str
    winner: str


class ConversationEnded(msgspec.Struct, frozen=True, tag="conversation.ended"):
    """A conversation is terminal."""

    conversation: str
    state: str
    outcome: str


class DeploymentStarted(msgspec.Struct, frozen=True, tag="deployment.started"):
    """A rollout has begun."""

    deployment: str
    agent: str
    version: str
    strategy: str


class DeploymentChanged(msgspec.Struct, frozen=True, tag="deployment.changed"):
    """A rollout entered another state."""

    deployment: str
    agent: str
    state: str
    detail: str = ""


class MessageRejected(msgspec.Struct, frozen=True, tag="message.rejected"):
    """A conversation did not admit a message."""

    message: str
    conversation: str
    reason: str


class MessageDeadLettered(msgspec.Struct, frozen=True, tag="message.dead_lettered"):
    """A message could not be delivered or handled, and is kept."""

    message: str
    receiver: str
    reason: str


class ModuleRefused(msgspec.Struct, frozen=True, tag="module.refused"):
    """A module was refused because it is not trusted; `agent` is whose it was to be, if anybody's."""

    module: str
    reason: str
    detail: str
    agent: str | None = None


class ModuleUntrusted(msgspec.Struct, frozen=True, tag="module.untrusted"):
    """A module that is not trusted was let in all the same."""

    module: str
    reason: str
    detail: str
    agent: str | None = None


class NodeMemoryExceeded(msgspec.Struct, frozen=True, tag="node.memory_exceeded"):
    """An agent was not started: with it all agents would have had `attempted` bytes, more than the node's limit."""

    agent: str
    attempted: int
    limit: int


Event: TypeAlias = (
    AgentDeployed | AgentStarted | AgentDraining | AgentSuspended | AgentResumed | AgentStopped | AgentRestarted
    | AgentFailed | AgentLimited | AgentRemoved | ConversationStarted | ConversationAwarded | ConversationEnded | DeploymentStarted
    | DeploymentChanged | MessageRejected | MessageDeadLettered | ModuleRefused | ModuleUntrusted
    | NodeMemoryExceeded
)  # fmt: skip


def name_of(event: type[Event] | Event) -> str:
    """Return an event's name on the wire.

    >>> name_of(AgentStarted("p@caxton", "1.0"))
    'agent.started'
    """
    return str(event.__struct_config__.tag)


NAMES: Final[tuple[str, ...]] = tuple(name_of(kind) for kind in get_args(Event))
"""Every event's name."""
