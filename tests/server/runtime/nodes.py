"""What the tests of the runtime share: a node under a fake clock whose agents are plain functions that may suspend."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeAlias

import msgspec
from caxton_core import registry
from caxton_core.agents import AgentState
from caxton_core.errors import InvalidModule, LimitExceeded
from caxton_core.hookspecs import SandboxKind, SandboxOptions, hookimpl
from caxton_core.ids import ModuleDigest
from caxton_core.messages import Draft, parse_draft
from caxton_core.nesting import Codec
from caxton_core.ports import (
    FATAL_REASONS,
    SUSPENDED,
    Fault,
    Guest,
    Host,
    ModuleInfo,
    Outcome,
    Row,
    Sandbox,
    Storage,
)
from caxton_core.resources import Limits, Manifest
from caxton_core.testing import FakeClock, SeededEntropy
from caxton_plugins.protocols import (
    auctions,
    brokering,
    contract_net,
    iterated_contract_net,
    negotiation,
    propose,
    query,
    request,
    request_when,
    subscribe,
)
from caxton_plugins.storages.memory import MemoryStorage
from caxton_plugins.strategies import direct
from caxton_server.config import Config
from caxton_server.runtime.cells import Cell
from caxton_server.runtime.journal_writer import CHECKPOINT
from caxton_server.runtime.node import Node
from returns.result import Failure, Result, Success

Message: TypeAlias = dict[str, Any]
Steps: TypeAlias = Generator[None, None, Any]
Act: TypeAlias = Callable[[Message, "Tools"], Any]


PROTOCOLS = (
    auctions, brokering, contract_net, iterated_contract_net, negotiation, propose, query, request, request_when,
    subscribe,
)  # fmt: skip


class Tools:
    """What a scripted agent is given beside its message."""

    def __init__(self, host: Host, codec: Codec) -> None:
        self.host, self.codec = host, codec

    def send(self, **fields: Any) -> int:
        """Queue a message."""
        return self.host.send(encoded(fields, self.codec))


def encoded(fields: Message, codec: Codec) -> bytes:
    """Encode a message as a guest would."""
    return msgspec.json.encode(fields) if codec == "json" else msgspec.msgpack.encode(fields)


class Script:
    """The behaviour of one agent: what it does at each of its calls.

    `act` returns a dict (the response), raw bytes, None (or what `send` returned) or a Fault; a generator of these is suspended at each `yield`.
    """

    def __init__(
        self, act: Act | None = None, *, start: Act | None = None, drain: Act | None = None,
        export: bytes | None = None, imported: Act | None = None,
    ) -> None:  # fmt: skip
        self.act: Act = act or (lambda _message, _tools: None)
        self.begin, self.end = start, drain
        self.export, self.imported = export, imported
        self.seen: list[Message] = []
        self.starts = 0
        self.closed = 0

    @property
    def contents(self) -> list[Any]:
        """The contents of the messages it was handed."""
        return [message.get("content") for message in self.seen]


class ScriptedGuest:
    """A guest that runs a script; see `caxton_core.ports.Guest`."""

    memory_bytes = 65_536

    def __init__(self, script: Script, host: Host) -> None:
        self.script, self.host = script, host
        self.alive = True
        self.fuel_used = 0
        self._running: Steps | None = None

    def _call(self, act: Act | None, message: Message, codec: Codec = "json") -> Outcome:
        assert self.alive
        assert self._running is None
        self.fuel_used += 1
        if act is None:
            return None
        made = act(message, Tools(self.host, codec))
        if isinstance(made, Generator):
            self._running = made
            return self.resume()
        return self._ended(made, codec)

    def _ended(self, made: Any, codec: Codec) -> Outcome:
        if isinstance(made, Fault) and made.reason in FATAL_REASONS:
            self.alive = False
        if isinstance(made, int):
            return None
        return encoded(made, codec) if isinstance(made, dict) else made

    def start(self, config: bytes) -> Outcome:
        """Begin."""
        self.script.starts += 1
        return self._call(self.script.begin, msgspec.json.decode(config))

    def handle(self, wire: bytes) -> Outcome:
        """Handle a message."""
        codec: Codec = "json" if wire[:1] == b"{" else "msgpack"
        decoder: Any = msgspec.json if codec == "json" else msgspec.msgpack
        message = decoder.decode(wire)
        self.script.seen.append(message)
        return self._call(self.script.act, message, codec)

    def drain(self) -> Outcome:
        """Make the last call."""
        return self._call(self.script.end, {})

    def export_state(self) -> Outcome:
        """Give what the script exports."""
        assert self.alive
        return self.script.export

    def import_state(self, data: bytes) -> Outcome:
        """Take what another script exported."""
        return self._call(self.script.imported, {"data": data})

    def resume(self) -> Outcome:
        """Go on behind the last `yield`."""
        running = self._running
        assert running is not None
        assert self.alive
        try:
            next(running)
        except StopIteration as ended:
            self._running = None
            return self._ended(ended.value, "json")
        return SUSPENDED

    def close(self) -> None:
        """Drop it."""
        self.script.closed += 1
        self.alive = False
        self._running = None


class Scripts:
    """A sandbox whose modules are the names of scripts."""

    name = "scripts"

    def __init__(self) -> None:
        self.by_name: dict[str, Script] = {}
        self._names: dict[str, str] = {}

    def add(self, name: str, script: Script) -> bytes:
        """Keep a script; return its module."""
        self.by_name[name] = script
        self._names["sha256:" + hashlib.sha256(name.encode()).hexdigest()] = name
        return name.encode()

    def check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        """Look a script up."""
        if data.decode() not in self.by_name:
            return Failure(InvalidModule(f"there is no script {data.decode()}"))
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        return Success(ModuleInfo(digest, len(data), profile, (), (), cached=False))

    def open(
        self, digest: ModuleDigest, profile: str, limits: Limits, host: Host
    ) -> Result[Guest, InvalidModule | LimitExceeded]:
        """Make a guest."""
        return Success(ScriptedGuest(self.by_name[self._names[digest]], host))

    def fuel_per_ms(self, profile: str) -> int:
        """Return 1."""
        return 1

    def close(self) -> None:
        """Do nothing."""


class ScriptPlugin:
    """The plugin that offers the sandbox of one test."""

    caxton_api = 1

    def __init__(self, scripts: Scripts) -> None:
        self.scripts = scripts

    @hookimpl
    def caxton_sandboxes(self) -> list[SandboxKind]:
        """Offer the scripts under both profiles."""
        sandbox: Sandbox = self.scripts
        return [
            SandboxKind("scripts", ("strict", "standard"), lambda _options: Success(sandbox)),
        ]


class Bench:
    """A node that does nothing by itself: its clock and its turns are moved by the test."""

    def __init__(
        self, *, storage: Storage | None = None, scripts: Scripts | None = None, clock: FakeClock | None = None,
        seed: int = 7, config: Config | None = None,
    ) -> None:  # fmt: skip
        self.scripts = scripts or Scripts()
        self.clock = clock or FakeClock()
        self.storage: Storage = storage or MemoryStorage()
        found = registry.load(
            more={
                "scripts": ScriptPlugin(self.scripts), "direct": direct,
                **{plugin.__name__: plugin for plugin in PROTOCOLS},
            },
            group="",
        ).unwrap()  # fmt: skip
        self.sandboxes = {
            kind.name: kind.make(SandboxOptions()).unwrap() for kind in found.sandboxes()
        }
        self.node = Node(
            config or Config(), registry=found, storage=self.storage, sandboxes=self.sandboxes,
            clock=self.clock, entropy=SeededEntropy(seed),
        )  # fmt: skip

    async def start(self) -> Bench:
        """Start the node, and take its loop's place."""
        (await self.node.start()).unwrap()
        await self.node.loop.stop(0)
        self.settle()
        return self

    def again(self, *, seed: int = 8) -> Bench:
        """Return the node that finds what this one has done, as after a kill."""
        journal = self.node.kernel.journal
        journal.settle()
        journal.reader.last_group()
        return Bench(storage=self.storage, scripts=self.scripts, clock=self.clock, seed=seed)

    async def deploy(
        self, name: str, script: Script | None = None, *, module: str | None = None, **manifest: Any
    ) -> Cell:
        """Deploy an agent that runs a script."""
        data = self.scripts.add(module or name, script or Script())
        parsed = Manifest.parse({"name": name, **manifest}).unwrap()
        (await self.node.deploy(parsed, data)).unwrap()
        return self.cell(name)

    def cell(self, name: str) -> Cell:
        """Return an agent's cell."""
        found = self.node.kernel.find(name)
        assert isinstance(found, Cell)
        return found

    def post(self, receiver: str | list[str] | None, act: str = "inform", **fields: Any) -> Any:
        """Send a message from the API; return the message, or the error."""
        body = {
            "performative": act,
            **({} if receiver is None else {"receiver": receiver}),
            **fields,
        }
        draft = parse_draft(msgspec.json.encode(body))
        assert isinstance(draft, Draft), draft
        routed = self.node.messages_.route(draft)
        return routed.unwrap() if isinstance(routed, Success) else routed.failure()

    def turn(self) -> None:
        """Give one agent its turn."""
        scheduler = self.node.scheduler
        if scheduler.ready:
            scheduler.turn(scheduler.ready.popleft())

    def settle(self) -> None:
        """Run until nobody has anything to do now."""
        node = self.node
        while True:
            node.timers.fire(node.kernel.tick())
            node.scheduler.work(1.0)
            node.kernel.journal.flush()
            due = node.timers.next_due
            if node.scheduler.idle and (due is None or due > node.kernel.now):
                return

    def advance(self, seconds: float) -> None:
        """Move the clock, and run."""
        self.clock.advance(seconds)
        self.settle()

    def heard(self, conversation_id: str) -> list[Message]:
        """Note what reaches the API in a conversation, from now on."""
        heard: list[Message] = []
        listeners = self.node.kernel.listeners.setdefault(conversation_id, [])
        listeners.append(
            lambda message: heard.append(msgspec.json.decode(msgspec.json.encode(message)))
        )
        return heard

    def records(self) -> list[Any]:
        """Return everything in the journal."""
        journal = self.node.kernel.journal
        journal.settle()
        return [record for batch in journal.reader.recover(0) for record in batch.records]

    def checkpoint(self) -> Iterator[None]:
        """Write a checkpoint, with a pause wherever a node may make one; then the next node starts from it."""
        journal = self.node.kernel.journal
        journal.settle()
        began = journal.reader.last_group() + 1
        yield from self.node.checkpoints.images()
        journal.settle()
        # As the journal's writer does, which is not there when storing takes no time.
        self.storage.append((), [Row("meta", CHECKPOINT, {}, b"%d" % began)])

    async def letters(self) -> list[Any]:
        """Return the dead letters."""
        return (await self.node.dead_letters(limit=1000)).items


async def control(bench: Bench, verb: str, name: str = "agent") -> Any:
    """Do what an operator asks, running the node meanwhile; return the state, or the error."""
    task = asyncio.ensure_future(bench.node.control(name, verb))
    for _ in range(3):
        await asyncio.sleep(0)
        bench.settle()
    done = await task
    return done.unwrap().state if isinstance(done, Success) else done.failure()


async def reach(bench: Bench, state: AgentState, script: Script) -> None:
    """Bring the agent into a state."""
    if state is AgentState.DRAINING:
        bench.post("agent", "request", protocol="fipa-request", conversation_id="open")
        bench.settle()
    verbs = {"draining": "drain", "suspended": "suspend", "stopped": "stop"}
    if state is AgentState.FAILED:
        script.begin = lambda _config, _tools: Fault("agent-error", "no")
        await control(bench, "restart")
        script.begin = None
    elif state in verbs:
        await control(bench, verbs[state])
    assert bench.cell("agent").state is state


def saying(**fields: Any) -> Script:
    """Return an agent that answers everything with the same message."""
    return Script(lambda _message, _tools: dict(fields))


def asking(**fields: Any) -> Script:
    """Return an agent that sends a message whenever the API tells it to."""

    def act(message: Message, tools: Tools) -> None:
        if message["sender"] == "api@caxton":
            assert tools.send(**fields) == 0

    return Script(act)
