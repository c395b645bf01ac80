"""The directory facilitator's answer: which agent offers which service."""

from __future__ import annotations

import msgspec
from caxton_core.views import Page
from returns.result import Success

from caxton_server.rest.calls import Answer, Call, Reply
from caxton_server.rest.queries import Text


class DirectoryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which services are wanted: by type, by name, by a protocol they speak."""

    type: Text | None = None
    name: Text | None = None
    protocol: Text | None = None


async def index(call: Call[DirectoryQuery]) -> Reply:
    """List the services agents offer."""
    query = call.query
    found = call.node.directory(type=query.type, name=query.name, protocol=query.protocol)
    return Success(Answer(Page(list(found))))
