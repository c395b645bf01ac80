"""A node that is a few dictionaries, for unit tests of an agent on any Python.

Rules:
- it takes what it is given and judges nothing: what a real node allows is tried by `caxton agent test`;
- a handler that raises leaves everything as it was.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from typing import Any

from caxton_agent.agents import Agent
from caxton_agent.hosts import Level, Refusal, step
from caxton_agent.messages import Message, Performative
from caxton_agent.timers import ONTOLOGY


@dataclass
class World:
    """What a step may change."""

    sent: list[Message] = field(default_factory=list)
    state: dict[bytes, bytes] = field(default_factory=dict)
    timers: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """When each rings, in milliseconds, and what it brings."""
    last_timer: int = 0


class FakeNode:
    """One agent on a node of its own; it is called `me`."""

    def __init__(self, agent: Agent, config: Any = None) -> None:
        self.agent = agent
        self.world = World()
        self.logged: list[tuple[Level, str]] = []
        self.refusals: dict[str, Refusal] = {}
        """Why messages to a name are not taken."""
        self.room = 1 << 20
        self.time = 0
        with step(self):
            agent.start({} if config is None else config)

    def ask(self, performative: Performative, content: Any = None, **fields: Any) -> Message | None:
        """Give the agent a message, from `you` unless another sender is named, and return its answer."""
        given = {"sender": "you@caxton", "receivers": ("me@caxton",), "id": "m", **fields}
        message = Message(performative=performative, content=content, **given)
        before = copy.deepcopy(self.world)
        try:
            with step(self):
                return self.agent.handle(message)
        except BaseException:  # whatever it is, the step is undone, and it goes on
            self.world = before
            raise

    def advance(self, seconds: float) -> None:
        """Let time pass, and every timer ring whose time it is."""
        end = self.time + round(seconds * 1000)
        while self.world.timers:
            timer, (due, payload) = min(self.world.timers.items(), key=lambda each: each[1][0])
            if due > end:
                break
            del self.world.timers[timer]
            self.time = due
            self.ask("inform", payload.decode(), sender="ams@caxton", ontology=ONTOLOGY)
        self.time = end

    def said(self) -> list[Message]:
        """Return what was sent since the last time."""
        sent, self.world.sent = self.world.sent, []
        return sent

    def kept(self, key: str) -> Any:
        """Return a value of the durable state; None when there is none."""
        value = self.world.state.get(key.encode())
        return None if value is None else json.loads(value)

    def send(self, message: Message) -> Refusal | None:
        """Queue a message, or say why not."""
        for name in message.receivers:
            if name in self.refusals:
                return self.refusals[name]
        self.world.sent.append(message)
        return None

    def log(self, level: Level, text: str) -> None:
        """Write a line into the agent's log."""
        self.logged.append((level, text))

    def now_ms(self) -> int:
        """Return when this step began."""
        return self.time

    def random(self, size: int) -> bytes:
        """Return bytes that differ from one call to the next."""
        self.world.last_timer += 1
        return self.world.last_timer.to_bytes(size, "big")

    def state_get(self, key: bytes) -> bytes | None:
        """Read a durable value."""
        return self.world.state.get(key)

    def state_put(self, key: bytes, value: bytes) -> bool:
        """Write one; False over the quota."""
        kept = {**self.world.state, key: value}
        if sum(len(name) + len(each) for name, each in kept.items()) > self.room:
            return False
        self.world.state = kept
        return True

    def state_delete(self, key: bytes) -> bool:
        """Forget one."""
        return self.world.state.pop(key, None) is not None

    def set_timer(self, delay_ms: int, payload: bytes) -> int | None:
        """Ask to be told later."""
        if len(payload) > 4096 or len(self.world.timers) >= 1000:
            return None
        self.world.last_timer += 1
        self.world.timers[self.world.last_timer] = (self.time + delay_ms, payload)
        return self.world.last_timer

    def cancel_timer(self, timer: int) -> bool:
        """Take a timer back."""
        return self.world.timers.pop(timer, None) is not None
