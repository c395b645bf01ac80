"""Rehearsals: a script played against an agent, in a real node whose clock stands still until a step moves it.

Rules:
- Kernel, conversations and sandbox are the real ones; only the clock, the randomness and the storage are a test's.
- Between two steps the node comes to rest: everything that can be handled now has been.
- What the agent says is read from the journal, so nothing it sends is missed. It counts once it was committed, as outside.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, ClassVar, Final, TypeVar

import msgspec
from caxton_core.errors import Problem
from caxton_core.hookspecs import SandboxOptions, StorageOptions
from caxton_core.messages import Draft, parse_draft
from caxton_core.ports import Sandbox
from caxton_core.registry import Registry
from caxton_core.resources import Manifest
from caxton_core.testing import FakeClock, SeededEntropy
from returns.result import Failure, Result, Success

from caxton_server.authoring import peers
from caxton_server.authoring.scripts import Peer, Script
from caxton_server.config import Config
from caxton_server.runtime.cells import Cell
from caxton_server.runtime.node import Node
from caxton_server.runtime.records import Sent

Message = dict[str, Any]
T = TypeVar("T")

_MOST_MESSAGES: Final = 10_000
_MOST_TIMERS: Final = 10_000
REFUSALS: Final = {
    -1: "it is no message", -2: "there is no such receiver", -3: "its mailbox is full", -4: "it is not allowed",
    -5: "it is not legal in this conversation", -6: "it is too large", -7: "it is over a limit",
}  # fmt: skip
"""What `send` answers, in words (docs/guests.md)."""


class Restless(Problem, frozen=True):
    """The node did not come to rest: agents go on sending, or timers go on ringing."""

    detail: str
    code: ClassVar[str] = "restless"
    SENTENCE: ClassVar[str] = "It does not come to rest: {detail}."


class CantPlay(Problem, frozen=True):
    """An agent does not start, or a message can't be sent."""

    detail: str
    code: ClassVar[str] = "cant_play"
    SENTENCE: ClassVar[str] = "{detail}"


class Broken(Exception):  # carries a Problem through the node's coroutines to `play`
    """Ends a rehearsal."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def sandboxes(
    registry: Registry, profile: str, cache: str = ""
) -> Result[dict[str, Sandbox], Problem]:
    """Make the sandbox of an agent's profile; whoever asks closes it."""
    kind = registry.sandbox(profile)
    if kind is None:
        return Failure(CantPlay(f"no sandbox here runs the profile {profile!r}"))
    made = kind.make(SandboxOptions(cache))
    if isinstance(made, Failure):
        return Failure(made.failure())
    return Success({kind.name: made.unwrap()})


class Rehearsal:
    """A node with one agent and the peers of a script."""

    def __init__(
        self, registry: Registry, shared: Mapping[str, Sandbox], manifest: Manifest
    ) -> None:
        self.agent = str(manifest.name)
        self.manifest = manifest
        self.clock = FakeClock()
        self.peers = peers.Peers()
        kind = registry.storage("memory")
        if kind is None:
            raise Broken(CantPlay("the plugin `memory` is missing"))
        storage = kind.make(StorageOptions("memory:", "memory")).unwrap()
        self.node = Node(
            Config(), registry=registry, storage=storage, sandboxes={**shared, peers.Peers.name: self.peers},
            clock=self.clock, entropy=SeededEntropy(1),
        )  # fmt: skip
        self._read = 0

    # Life

    async def start(self, module: bytes, script: Script) -> None:
        """Start the node, the peers, and then the agent."""
        _good(await self.node.start())
        await self.node.loop.stop(0)
        for peer in script.peers:
            await self._deploy(_manifest_of(peer), peers.MODULE)
        config = {**self.manifest.config, **script.config}
        await self._deploy(msgspec.structs.replace(self.manifest, config=config), module)
        self.settle()

    async def _deploy(self, manifest: Manifest, module: bytes) -> None:
        _good(await self._while_running(self.node.deploy(manifest, module)))

    async def restart(self) -> None:
        """Replace the agent's instance; what it stored stays."""
        _good(await self._while_running(self.node.control(self.agent, "restart")))
        self.settle()

    async def _while_running(self, asked: Awaitable[T]) -> T:
        """Run the node until it has answered; compiling happens in a thread, which is waited for."""
        task = asyncio.ensure_future(asked)
        while not task.done():
            self.settle()
            await asyncio.wait({task}, timeout=0.001)
        return task.result()

    async def stop(self) -> None:
        """End the node."""
        if self.node.running:
            await self.node.stop()

    # Time and messages

    def settle(self) -> None:
        """Run until nobody has anything to do at this time."""
        node, scheduler, kernel = self.node, self.node.scheduler, self.node.kernel
        most = scheduler.handled + _MOST_MESSAGES
        while scheduler.handled < most:
            node.timers.fire(kernel.tick())
            while scheduler.parked:
                scheduler.resume(scheduler.parked.popleft())
            if scheduler.ready:
                scheduler.turn(scheduler.ready.popleft())
            kernel.journal.flush()
            due = node.timers.next_due
            if scheduler.idle and (due is None or due > kernel.now):
                return
        raise Broken(Restless(f"after {_MOST_MESSAGES} messages there are still more"))

    def advance(self, milliseconds: int) -> None:
        """Let time pass, from one timer to the next."""
        end = self.clock.time_ms() + milliseconds
        for _ in range(_MOST_TIMERS):
            due = self.node.timers.next_due
            if due is None or due > end:
                self.clock.advance((end - self.clock.time_ms()) / 1000)
                self.settle()
                return
            self.clock.advance(max(due - self.clock.time_ms(), 0) / 1000)
            self.settle()
        raise Broken(Restless(f"{_MOST_TIMERS} timers rang"))

    def send(self, sender: str, message: Message) -> None:
        """Let a peer, or the API, say something."""
        if sender == "api":
            self._route(message)
            self.settle()
            return
        order = {
            "performative": "inform",
            "receiver": sender,
            "ontology": peers.ORDER,
            "content": message,
        }
        self._route(order)
        self.settle()
        answer = self.peers.answers.pop() if self.peers.answers else -3
        if answer:
            raise Broken(CantPlay(f"{sender} can't send it: {REFUSALS.get(answer, str(answer))}"))

    def _route(self, message: Message) -> None:
        draft = parse_draft(msgspec.json.encode(message))
        if not isinstance(draft, Draft):
            raise Broken(draft)
        _good(self.node.messages_.route(draft))

    # What there is to see

    def heard(self) -> list[Message]:
        """Return what the agent has sent since the last look, and what the platform has said to others of it."""
        return [each for each in self._sent() if self._is_heard(each)]

    def _is_heard(self, message: Message) -> bool:
        sender = message["sender"].partition("@")[0]
        if sender == "ams":
            receiver = message["receiver"]
            return not isinstance(receiver, str) or receiver.partition("@")[0] != self.agent
        return bool(sender == self.agent)

    def _sent(self) -> Iterator[Message]:
        journal = self.node.kernel.journal
        journal.settle()
        last = journal.reader.last_group()
        for batch in journal.reader.recover(self._read, images=False):
            for record in batch.records:
                for sent in _sent_in(record):
                    yield decode(sent.wire)
        self._read = last

    def cell(self) -> Cell:
        """Return the agent's own side of the node."""
        found = self.node.kernel.find(self.agent)
        if not isinstance(found, Cell):
            raise Broken(CantPlay(f"there is no agent {self.agent} any more"))
        return found


def decode(wire: bytes) -> Message:
    """Read a message as it was delivered, in either codec."""
    decoder: Callable[[bytes], Message] = (
        msgspec.json.decode if wire[:1] == b"{" else msgspec.msgpack.decode
    )
    return decoder(wire)


def _sent_in(record: Any) -> Iterator[Sent]:
    """Yield the messages of a record, wherever it has them."""
    for field in record.__struct_fields__:
        value = getattr(record, field)
        for each in value if type(value) is tuple else (value,):
            if isinstance(each, Sent):
                yield each


def _manifest_of(peer: Peer) -> Manifest:
    parsed = Manifest.parse(
        {"name": peer.name, "profile": peers.PROFILE, "services": list(peer.services)}
    )
    return _good(parsed)


def _good(result: Result[T, Any]) -> T:
    """Return what was made, or end the rehearsal."""
    if isinstance(result, Failure):
        raise Broken(result.failure())
    return result.unwrap()


@contextlib.contextmanager
def shared_sandboxes(
    registry: Registry, profile: str, cache: str = ""
) -> Iterator[Result[dict[str, Sandbox], Problem]]:
    """Make the sandbox of a profile for a while."""
    made = sandboxes(registry, profile, cache)
    try:
        yield made
    finally:
        for each in made.value_or({}).values():
            each.close()
