"""The simulated sandbox: guests that are scripts, run by the real scheduler one slice at a time.

Rules:
- A module's bytes are a line of text, `<name> <version>`; whoever owns the sandbox says what such a guest does.
- A script is a generator or a plain value: each `yield` ends a slice, what it returns is the call's outcome.
- The limits of a real sandbox are faults that a script returns: the kernel can't tell them from a real guest's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeAlias

import msgspec
from caxton_core.errors import InvalidModule, LimitExceeded
from caxton_core.hookspecs import SandboxKind, hookimpl
from caxton_core.ids import ModuleDigest
from caxton_core.nesting import Codec
from caxton_core.ports import FATAL_REASONS, SUSPENDED, Fault, Guest, Host, ModuleInfo, Outcome
from caxton_core.resources import Limits
from returns.result import Failure, Result, Success

Message: TypeAlias = dict[str, Any]
Script: TypeAlias = Generator[None, None, Any] | dict[str, Any] | bytes | Fault | None
"""What an agent does with one call: what it returns, or a generator that ends in it."""


class Behaviour(Protocol):
    """What the agent of one name does."""

    def start(self, host: Host, config: Message) -> Script:
        """Begin."""

    def act(self, message: Message, host: Host, codec: Codec) -> Script:
        """Handle a message."""

    def drain(self, host: Host) -> Script:
        """Make the last call."""

    def export_state(self) -> bytes | None:
        """Give what the next version is to have."""

    def import_state(self, data: bytes, host: Host) -> Script:
        """Take what the version before has given."""


def encoded(fields: Message, codec: Codec) -> bytes:
    """Encode a message as a guest would."""
    return msgspec.json.encode(fields) if codec == "json" else msgspec.msgpack.encode(fields)


class ScriptedGuest:
    """One guest; see `caxton_core.ports.Guest`."""

    memory_bytes = 65_536

    def __init__(self, behaviour: Behaviour, host: Host) -> None:
        self.alive = True
        self.fuel_used = 0
        self._behaviour, self._host = behaviour, host
        self._running: Generator[None, None, Any] | None = None
        self._codec: Codec = "json"

    def _call(self, script: Script, codec: Codec = "json") -> Outcome:
        self.fuel_used += 1
        self._codec = codec
        if isinstance(script, Generator):
            self._running = script
            return self.resume()
        return self._ended(script)

    def _ended(self, made: dict[str, Any] | bytes | Fault | None) -> Outcome:
        if isinstance(made, Fault) and made.reason in FATAL_REASONS:
            self.alive = False
        return encoded(made, self._codec) if isinstance(made, dict) else made

    def _check(self) -> None:
        if not self.alive:
            raise RuntimeError("a guest was called that is dead")
        if self._running is not None:
            raise RuntimeError("a guest was called that is in a call")

    def start(self, config: bytes) -> Outcome:
        """Begin."""
        self._check()
        return self._call(self._behaviour.start(self._host, msgspec.json.decode(config)))

    def handle(self, wire: bytes) -> Outcome:
        """Handle a message."""
        self._check()
        codec: Codec = "json" if wire[:1] == b"{" else "msgpack"
        decode = msgspec.json.decode if codec == "json" else msgspec.msgpack.decode
        return self._call(self._behaviour.act(decode(wire), self._host, codec), codec)

    def drain(self) -> Outcome:
        """Make the last call."""
        self._check()
        return self._call(self._behaviour.drain(self._host))

    def export_state(self) -> Outcome:
        """Give the state."""
        self._check()
        return self._call(self._behaviour.export_state())

    def import_state(self, data: bytes) -> Outcome:
        """Take the state."""
        self._check()
        return self._call(self._behaviour.import_state(data, self._host))

    def resume(self) -> Outcome:
        """Run one more slice."""
        running = self._running
        if running is None or not self.alive:
            raise RuntimeError("a guest was resumed that is dead or in no call")
        try:
            next(running)
        except StopIteration as ended:
            self._running = None
            return self._ended(ended.value)
        return SUSPENDED

    def close(self) -> None:
        """Drop it."""
        self.alive = False
        if self._running is not None:
            self._running.close()
        self._running = None


class Scripts:
    """The sandbox of one world; `behave` gives the behaviour of a name."""

    name = "scripts"

    def __init__(self, behave: Callable[[str, str], Behaviour]) -> None:
        self._behave = behave
        self._modules: dict[str, tuple[str, str]] = {}

    def check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        """Read a module's line."""
        name, space, version = data.decode("ascii", "replace").partition(" ")
        if not space:
            return Failure(InvalidModule("it is no script"))
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self._modules[digest] = name, version
        return Success(ModuleInfo(digest, len(data), profile, (), (), cached=False))

    def open(
        self, digest: ModuleDigest, profile: str, limits: Limits, host: Host
    ) -> Result[Guest, InvalidModule | LimitExceeded]:
        """Make a guest."""
        if digest not in self._modules:
            return Failure(InvalidModule("it was not checked"))
        return Success(ScriptedGuest(self._behave(*self._modules[digest]), host))

    def fuel_per_ms(self, profile: str) -> int:
        """Return 1."""
        return 1

    def close(self) -> None:
        """Do nothing."""


class ScriptPlugin:
    """The plugin that says which profiles scripts run under; each world brings its own sandbox."""

    caxton_api = 1

    @hookimpl
    def caxton_sandboxes(self) -> list[SandboxKind]:
        """Offer the scripts under both profiles."""
        return [
            SandboxKind(
                "scripts", ("strict", "standard"), lambda _options: Success(Scripts(_nobody))
            )
        ]


def _nobody(name: str, _version: str) -> Behaviour:
    raise RuntimeError(f"no world has the script {name}")
