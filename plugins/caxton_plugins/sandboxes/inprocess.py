"""The sandbox `inprocess`: trusted Python agents for embedding and tests.

Rules:
- An agent is a class registered under a name; its "module" is that name as bytes, so digests work as for any module.
- No limits, no preemption: whoever registers a class vouches for it.
- An exception of an agent is an error code of an agent: the delivery fails, the instance lives on.

    @register("greeter")
    class Greeter:
        def handle(self, message, host):
            return {"performative": "inform", "content": f"hello {message['sender']}"}

    sandbox.check(b"greeter", "inprocess")
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec
from caxton_core.errors import InvalidModule, LimitExceeded
from caxton_core.hookspecs import SandboxKind, SandboxOptions, hookimpl
from caxton_core.ports import Fault, Guest, Host, ModuleInfo, Outcome
from returns.result import Failure, Result, Success

if TYPE_CHECKING:
    from caxton_core.errors import InvalidSetting
    from caxton_core.ids import ModuleDigest
    from caxton_core.ports import Sandbox
    from caxton_core.resources import Limits

caxton_api = 1

PROFILE: Final = "inprocess"
INFO: Final = 2

Message = dict[str, Any]


class Agent(Protocol):
    """What a registered class makes; `init`, `drain`, `export_state` and `import_state` are optional, as in a module."""

    def handle(self, message: Message, host: AgentHost) -> Message | None:
        """Handle a message and return the response, if any."""


class AgentHost:
    """What the node offers an agent, with messages and text in Python's own types."""

    def __init__(self, host: Host) -> None:
        self.raw = host

    def send(self, message: Message) -> int:
        """Queue a message; negative when it was refused (docs/guests.md)."""
        return self.raw.send(msgspec.json.encode(message))

    def log(self, text: str, level: int = INFO) -> None:
        """Keep a log line."""
        self.raw.log(level, text.encode()[:8192])

    def now_ms(self) -> int:
        """Return the step's clock."""
        return self.raw.now_ms()

    def random(self, size: int) -> bytes:
        """Return bytes of the step's random stream."""
        return self.raw.random(size)

    def get(self, key: str) -> Any:
        """Return a durable value; None when absent."""
        value = self.raw.state_get(key.encode())
        return None if value is None else msgspec.json.decode(value)

    def put(self, key: str, value: Any) -> int:
        """Write a durable value that JSON can hold."""
        return self.raw.state_put(key.encode(), msgspec.json.encode(value))

    def delete(self, key: str) -> int:
        """Remove a durable value."""
        return self.raw.state_delete(key.encode())

    def set_timer(self, delay_ms: int, payload: str = "") -> int:
        """Ask for a timer."""
        return self.raw.set_timer(delay_ms, payload.encode())

    def cancel_timer(self, timer: int) -> int:
        """Take back a timer."""
        return self.raw.cancel_timer(timer)


_registered: dict[str, Callable[[], Agent]] = {}
A = TypeVar("A", bound=Callable[[], Agent])


def register(name: str) -> Callable[[A], A]:
    """Register a class (or what makes an agent) under a name; a later one replaces it."""

    def keep(factory: A) -> A:
        _registered[name] = factory
        return factory

    return keep


class PythonGuest:
    """A guest of `Sandbox.open`; see `caxton_core.ports.Guest`."""

    fuel_used = 0
    memory_bytes = 0

    def __init__(self, factory: Callable[[], Agent], limits: Limits, host: Host) -> None:
        self._factory = factory
        self._agent: Agent | None = None
        self._host = AgentHost(host)
        self._largest = limits.message_size
        self.alive = True

    def start(self, config: bytes) -> Outcome:
        """Make the agent and give it its configuration."""

        def begin() -> Outcome:
            self._agent = agent = self._factory()
            init = getattr(agent, "init", None)
            if init is not None:
                init(msgspec.json.decode(config), self._host)
            return None

        return self._guarded(begin)

    def handle(self, wire: bytes) -> Outcome:
        """Give the agent one message; the response is encoded like it."""
        codec: Any = msgspec.json if wire[:1] == b"{" else msgspec.msgpack

        def answer() -> Outcome:
            assert self._agent is not None
            response = self._agent.handle(codec.decode(wire), self._host)
            if response is None:
                return None
            encoded: bytes = codec.encode(response)
            if len(encoded) > self._largest:
                return Fault(
                    "too-large",
                    f"the response has {len(encoded)} bytes; {self._largest} are allowed",
                )
            return encoded

        return self._guarded(answer)

    def drain(self) -> Outcome:
        """Make the last call before an orderly stop."""
        return self._optional("drain", self._host)

    def export_state(self) -> Outcome:
        """Ask for the state to hand over."""
        return self._optional("export_state")

    def import_state(self, data: bytes) -> Outcome:
        """Hand over the state of the version before."""
        return self._optional("import_state", data)

    def resume(self) -> Outcome:
        """Never called: no call is ever suspended."""
        raise RuntimeError("no call is suspended")

    def close(self) -> None:
        """Drop the agent."""
        self.alive = False
        self._agent = None

    def _optional(self, name: str, *arguments: Any) -> Outcome:
        method = getattr(self._agent, name, None)
        if method is None:
            return None

        def call() -> Outcome:
            outcome = method(*arguments)
            return outcome if isinstance(outcome, bytes) else None

        return self._guarded(call)

    @staticmethod
    def _guarded(call: Callable[[], Outcome]) -> Outcome:
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # whatever an agent raises is the agent's failure
            return Fault("agent-error", f"{type(error).__name__}: {error}")


class InprocessSandbox:
    """Makes guests of registered classes."""

    name = "inprocess"

    def __init__(self) -> None:
        self._known: dict[str, Callable[[], Agent]] = {}

    def check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        """Look a name up."""
        name = data.decode("utf-8", "replace")
        factory = _registered.get(name)
        if factory is None or profile != PROFILE:
            return Failure(InvalidModule(f"no agent is registered as {name[:100]!r}"))
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        cached = digest in self._known
        self._known[digest] = factory
        return Success(ModuleInfo(digest, len(data), profile, ("handle",), (), cached))

    def open(
        self, digest: ModuleDigest, profile: str, limits: Limits, host: Host
    ) -> Result[Guest, InvalidModule | LimitExceeded]:
        """Make a guest; its agent is made when it starts."""
        factory = self._known.get(digest) or self._find(digest)
        if factory is None or profile != PROFILE:
            return Failure(InvalidModule(f"no agent is registered that has digest {digest}"))
        return Success(PythonGuest(factory, limits, host))

    def fuel_per_ms(self, profile: str) -> int:
        """Return 1: trusted code burns no fuel."""
        return 1

    def close(self) -> None:
        """Forget what was checked."""
        self._known.clear()

    @staticmethod
    def _find(digest: str) -> Callable[[], Agent] | None:
        """Look for a name by its digest: after a restart nothing was checked yet."""
        for name, factory in _registered.items():
            if digest == "sha256:" + hashlib.sha256(name.encode()).hexdigest():
                return factory
        return None


def make(options: SandboxOptions) -> Result[Sandbox, InvalidSetting]:
    """Make the sandbox."""
    return Success(InprocessSandbox())


@hookimpl
def caxton_sandboxes() -> list[SandboxKind]:
    """Offer registered Python classes."""
    return [SandboxKind("inprocess", (PROFILE,), make)]
