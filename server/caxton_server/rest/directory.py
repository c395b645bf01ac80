"""The directory facilitator's answer: which agent offers which service."""

from __future__ import annotations

from returns.result import Failure, Success

from caxton_server.rest.calls import Answer, Call, Reply
from caxton_server.rest.queries import PageQuery, Text, open_cursor, seal_page

LIST = "directory"


class DirectoryQuery(PageQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which services are wanted: by type, by name, by a protocol they speak."""

    type: Text | None = None
    name: Text | None = None
    protocol: Text | None = None


async def index(call: Call[DirectoryQuery]) -> Reply:
    """List the services agents offer."""
    query = call.query
    position = open_cursor(LIST, query.cursor)
    if isinstance(position, Failure):
        return position
    page = call.node.directory(
        type=query.type,
        name=query.name,
        protocol=query.protocol,
        limit=query.limit,
        cursor=position.unwrap(),
    )
    return Success(Answer(seal_page(LIST, page)))
