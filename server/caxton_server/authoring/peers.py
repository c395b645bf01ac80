"""Peers: the agents that a script speaks for, in a sandbox of their own.

Rules:
- A peer does nothing by itself: it hears what it is sent, and says what the script makes it say, as any agent would.
- What it is to say reaches it as a message from the API of the ontology `ORDER`; nobody else can give it orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from caxton_core.errors import InvalidModule, LimitExceeded
from caxton_core.hookspecs import SandboxKind, hookimpl
from caxton_core.ports import Guest, Host, ModuleInfo, Outcome
from returns.result import Failure, Result, Success

if TYPE_CHECKING:
    from caxton_core.ids import ModuleDigest
    from caxton_core.resources import Limits

PROFILE: Final = "script"
ORDER: Final = "caxton-script"
MODULE: Final = b"peer"
_DIGEST: Final = "sha256:" + "0" * 64


class _Peer:
    """A guest that says what it is told to; see `caxton_core.ports.Guest`."""

    fuel_used = 0
    memory_bytes = 0

    def __init__(self, host: Host, answers: list[int]) -> None:
        self.host, self.answers = host, answers
        self.alive = True

    def start(self, config: bytes) -> Outcome:
        """Begin."""
        return None

    def handle(self, wire: bytes) -> Outcome:
        """Say what the script orders; anything else was only to be heard."""
        message: dict[str, Any] = msgspec.json.decode(wire)
        if message.get("ontology") == ORDER and message["sender"].startswith("api@"):
            self.answers.append(self.host.send(msgspec.json.encode(message["content"])))
        return None

    def drain(self) -> Outcome:
        """End."""
        return None

    def export_state(self) -> Outcome:
        """Give nothing."""
        return None

    def import_state(self, data: bytes) -> Outcome:
        """Take nothing."""
        return None

    def resume(self) -> Outcome:
        """Go on: a peer is never suspended."""
        return None

    def close(self) -> None:
        """End."""
        self.alive = False


class Peers:
    """The sandbox of the peers of one script; `answers` are what `send` told them."""

    name = "peers"

    def __init__(self) -> None:
        self.answers: list[int] = []

    def check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        """Take the one module there is."""
        if data != MODULE:
            return Failure(InvalidModule("it is no peer"))
        return Success(ModuleInfo(_DIGEST, len(data), profile, (), (), cached=False))

    def open(
        self, digest: ModuleDigest, profile: str, limits: Limits, host: Host
    ) -> Result[Guest, InvalidModule | LimitExceeded]:
        """Make a peer."""
        return Success(_Peer(host, self.answers))

    def fuel_per_ms(self, profile: str) -> int:
        """Return 1: nothing is burnt here."""
        return 1

    def close(self) -> None:
        """Do nothing."""


class Plugin:
    """What tells the node of the peers' profile."""

    caxton_api = 1

    @hookimpl
    def caxton_sandboxes(self) -> list[SandboxKind]:
        """Offer the peers."""
        return [SandboxKind(Peers.name, (PROFILE,), lambda _options: Success(Peers()))]
