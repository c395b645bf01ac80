"""The event log as server-sent events, resumable from any sequence number it still has."""

from __future__ import annotations

import msgspec
from returns.result import Failure

from caxton_server.rest import streams
from caxton_server.rest.calls import Call, Reply
from caxton_server.rest.queries import Text


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which events are wanted; `types` is a list with commas."""

    types: Text | None = None
    agent: Text | None = None
    conversation: Text | None = None


async def follow(call: Call[EventsQuery]) -> Reply:
    """Stream events as they happen, after `Last-Event-ID` when it is sent."""
    seen = streams.resume_point(call.request)
    if isinstance(seen, Failure):
        return seen
    query = call.query
    types = None
    if query.types is not None:
        types = [kind.strip() for kind in query.types.split(",") if kind.strip()]
    source = call.node.events(
        types=types, agent=query.agent, conversation=query.conversation, after=seen.unwrap()
    )
    return await streams.stream(
        call.edge,
        call.request,
        source,
        lambda event: streams.entry(event.seq, event.type, event),
    )
