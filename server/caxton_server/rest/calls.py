"""What a handler is given and what it gives back: `Call`, `Answer`, and the `Route` that joins them.

Rules:
- A handler parses once into typed values, asks the node, and returns an `Answer` or the error it was given.
- Only `edge.py` turns these into HTTP; only `routes.py` names a path.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import msgspec
from aiohttp import web
from returns.result import Result

from caxton_server.runtime.keys import Kept

if TYPE_CHECKING:
    from caxton_server.runtime.keys import Claim
    from caxton_server.runtime.node import Node

encode = msgspec.json.Encoder(enc_hook=str).encode
_KEPT_HEADERS = ("Location", "ETag")

BASE = "/api/v1"
"""What every path but the probes begins with."""

KIB = 1024
MIB = 1024 * KIB
PLAIN_LIMIT = MIB
MESSAGE_LIMIT = 4 * MIB
MODULE_LIMIT = 64 * MIB


class Phase(enum.StrEnum):
    """How far the process has come; the API answers in `SERVING` only, the probes always."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


@dataclasses.dataclass(slots=True)
class Edge:
    """What every call shares: the node, the phase of the process, and the counts of the metrics."""

    node: Node
    phase: Phase = Phase.STARTING
    token: str | None = None
    stopping: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    description: dict[str, Any] = dataclasses.field(default_factory=dict)
    requests: dict[tuple[str, str, int], int] = dataclasses.field(default_factory=dict)

    def stop(self) -> None:
        """Refuse further work and end every stream."""
        self.phase = Phase.STOPPING
        self.stopping.set()


EDGE: web.AppKey[Edge] = web.AppKey("edge", Edge)

Q = TypeVar("Q", bound=msgspec.Struct)


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a route that takes no parameters."""


@dataclasses.dataclass(frozen=True, slots=True)
class Call(Generic[Q]):
    """One request, parsed: its path variables, its query and its whole body."""

    edge: Edge
    request: web.Request
    query: Q
    body: bytes
    trace_id: str
    claim: Claim | None = None
    """The claim that the request's Idempotency-Key has; what creates or sends passes it to the node."""

    def answers(self, render: Callable[[Any], Answer]) -> Callable[[Any], Answer]:
        """Say how a view is answered, to the claim too, before the node is asked."""
        if self.claim is not None:
            self.claim.render = lambda view: render(view).kept()
        return render

    @property
    def node(self) -> Node:
        """Return the node behind the API."""
        return self.edge.node

    @property
    def ref(self) -> str:
        """Return the id or the name in the path."""
        return self.request.match_info["ref"]


class Answer(msgspec.Struct, frozen=True):
    """A successful answer: any value msgspec encodes, None for an empty body."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}

    def kept(self) -> Kept:
        """Return what is kept of it under an Idempotency-Key."""
        headers = {name: self.headers[name] for name in _KEPT_HEADERS if name in self.headers}
        return Kept("", "", self.status, headers, msgspec.Raw(encode(self.body)))


Reply: TypeAlias = Result[Answer, object] | web.StreamResponse
Handler: TypeAlias = Callable[[Call[Any]], Awaitable[Reply]]


class Body(msgspec.Struct, frozen=True):
    """What a route takes as its body: media types with their schema types, and how much of it."""

    media: Mapping[str, Any]
    limit: int = PLAIN_LIMIT
    required: bool = True


class Route(msgspec.Struct, frozen=True):
    """One row of the route table; the dispatcher, the docs test and OpenAPI read nothing else."""

    method: str
    path: str
    handler: Handler
    summary: str
    query: type[msgspec.Struct] = NoQuery
    body: Body | None = None
    answers: Mapping[int, Any] = {}
    stream: bool = False
    probe: bool = False
