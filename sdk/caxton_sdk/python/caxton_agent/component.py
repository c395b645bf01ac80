"""An agent as the component that the node runs: the world `caxton:agent@1.0.0` on one side, Agent on the other.

Rules:
- only this module knows the generated bindings (`wit_world`), and only at build time;
- an exception of the agent is logged whole and answered in one line.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import wit_world
from componentize_py_types import Err
from wit_world.imports import messages as wire
from wit_world.imports import node

from caxton_agent import hosts, logs, surroundings
from caxton_agent.agents import Agent
from caxton_agent.hosts import Level, Refusal
from caxton_agent.messages import Message, Performative, encode

T = TypeVar("T")
ACTS: dict[wire.Performative, Performative] = {
    each: each.name.lower().replace("_", "-")  # type: ignore[misc]  # the names of the enum are those of the literal
    for each in wire.Performative
}
WIRE_ACTS = {name: each for each, name in ACTS.items()}
REFUSALS: dict[node.Refusal, Refusal] = {
    each: each.name.lower().replace("_", "-")  # type: ignore[misc]  # the same
    for each in node.Refusal
}
LEVELS: dict[Level, node.Level] = {
    each.name.lower(): each  # type: ignore[misc]  # the same
    for each in node.Level
}


def read(message: wire.Message) -> Message:
    """Read a message of the node."""
    return Message(
        performative=ACTS[message.performative],
        receivers=tuple(message.receivers),
        content=None if message.content is None else json.loads(message.content),
        sender=message.sender or "",
        reply_to=tuple(message.reply_to),
        language=message.language,
        encoding=message.encoding,
        ontology=message.ontology,
        protocol=message.protocol,
        conversation_id=message.conversation_id,
        reply_with=message.reply_with,
        in_reply_to=message.in_reply_to,
        reply_by=message.reply_by,
        id=message.id,
        timestamp=message.timestamp,
        traceparent=message.traceparent,
        extras={name: json.loads(value) for name, value in message.extras},
    )


def write(message: Message) -> wire.Message:
    """Write a message for the node; a performative that is none raises ValueError."""
    act = WIRE_ACTS.get(message.performative)
    if act is None:
        raise ValueError(f"{message.performative!r} is no performative")
    return wire.Message(
        performative=act,
        sender=None,
        receivers=list(message.receivers),
        reply_to=list(message.reply_to),
        content=None if message.content is None else encode(message.content),
        language=message.language,
        encoding=message.encoding,
        ontology=message.ontology,
        protocol=message.protocol,
        conversation_id=message.conversation_id,
        reply_with=message.reply_with,
        in_reply_to=message.in_reply_to,
        reply_by=message.reply_by,
        id=message.id,
        timestamp=None,
        traceparent=None,
        extras=[(name, encode(value)) for name, value in message.extras.items()],
    )


class Node:
    """The node, through the component's imports."""

    def send(self, message: Message) -> Refusal | None:
        """Queue a message, or say why not."""
        try:
            node.send(write(message))
        except Err as refused:
            return REFUSALS[refused.value]
        return None

    def log(self, level: Level, text: str) -> None:
        """Write a line into the agent's log."""
        # Half a surrogate pair can't leave the component, and the log knows no line breaks.
        for line in text.encode("utf-8", "replace").decode().splitlines() or [""]:
            node.log(LEVELS[level], line)

    now_ms = staticmethod(node.now_ms)
    random = staticmethod(node.random)
    state_get = staticmethod(node.state_get)
    state_put = staticmethod(node.state_put)
    state_delete = staticmethod(node.state_delete)
    set_timer = staticmethod(node.set_timer)
    cancel_timer = staticmethod(node.cancel_timer)


def find(module: ModuleType) -> Agent:
    """Return the agent that a module defines."""
    found = getattr(module, "agent", None)
    if not isinstance(found, Agent):
        raise TypeError(f"{module.__name__}.py defines no agent: it needs `agent = Agent()`")
    return found


def world(agent: Agent) -> type[wit_world.WitWorld]:
    """Make the class that the node's calls go to."""
    real = Node()
    ready: list[bool] = []

    def run(call: Callable[..., T], *arguments: Any) -> T:
        with hosts.step(real):
            if not ready:
                ready.append(True)
                surroundings.close()
            try:
                return call(*arguments)
            except Exception as error:  # noqa: BLE001  # whatever an agent raises fails its delivery, and nothing else
                real.log("error", logs.describe(error))
                told = logs.summary(error)
            finally:
                surroundings.flush()
        # Not inside: Err is frozen, and whoever passes an exception on, as `with` does, writes to it.
        raise Err(told)

    def answer(message: wire.Message) -> wire.Message | None:
        said = agent.handle(read(message))
        if said is not None and not isinstance(said, Message):
            raise TypeError(f"a handler returns a Message or None, and not {said!r}")
        return None if said is None else write(said)

    class WitWorld(wit_world.WitWorld):
        """The world's exports."""

        def init(self, config: str) -> None:
            run(lambda: agent.start(json.loads(config)))

        def handle(self, message: wire.Message) -> wire.Message | None:
            return run(answer, message)

        def drain(self) -> None:
            # It is logged, and the world knows no error here.
            with contextlib.suppress(Err):
                run(agent.drain)

        def export_state(self) -> bytes | None:
            return run(agent.export_state)

        def import_state(self, state: bytes) -> None:
            run(agent.import_state, state)

    return WitWorld
