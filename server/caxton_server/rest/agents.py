"""Agents: deployed, listed, driven through their states, watched."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from caxton_core.views import LogLine, Page
from returns.result import Failure, Success

from caxton_server.rest import etags, streams, uploads
from caxton_server.rest.calls import BASE, Answer, Call, NoQuery, Reply
from caxton_server.rest.queries import Limit, PageQuery, Text, open_cursor, seal_page

LIST = "agents"


class AgentsQuery(PageQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which agents are wanted: by state, by name (a glob), by the type of a service they offer."""

    state: Text | None = None
    name: Text | None = None
    service: Text | None = None


class LogsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From which line on, and whether to go on as lines are written."""

    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Limit = 1000
    follow: bool = False


async def create(call: Call[NoQuery]) -> Reply:
    """Deploy the first version of an agent; running when this answers."""
    upload = await uploads.read(call)
    if isinstance(upload, Failure):
        return upload
    found = upload.unwrap()
    manifest = uploads.manifest_of(found, call.node.config)
    if isinstance(manifest, Failure):
        return manifest
    created = call.answers(
        lambda view: Answer(
            view,
            status=201,
            headers={"Location": f"{BASE}/agents/{view.agent.id}", "ETag": f'"{view.agent.etag}"'},
        )
    )
    deployed = await call.node.deploy(
        manifest.unwrap(), found.module, signature=found.signature, claim=call.claim
    )
    return deployed.map(created)


async def index(call: Call[AgentsQuery]) -> Reply:
    """List agents."""
    query = call.query
    position = open_cursor(LIST, query.cursor)
    if isinstance(position, Failure):
        return position
    page = call.node.agents(
        state=query.state,
        name=query.name,
        service=query.service,
        limit=query.limit,
        cursor=position.unwrap(),
    )
    return Success(Answer(seal_page(LIST, page)))


async def show(call: Call[NoQuery]) -> Reply:
    """Show one agent."""
    return call.node.agent(call.ref).map(lambda view: etags.tagged(call.request, view, view.etag))


async def remove(call: Call[NoQuery]) -> Reply:
    """Remove an agent; its mailbox is answered with failures."""
    changed = _changed(call)
    if changed is not None:
        return Failure(changed)
    return (await call.node.remove_agent(call.ref)).map(lambda _: Answer(status=204))


async def control(call: Call[NoQuery]) -> Reply:
    """Move an agent to another state; the verb is the last part of the path."""
    changed = _changed(call)
    if changed is not None:
        return Failure(changed)
    verb = call.request.path.rpartition("/")[2]
    moved = call.answers(lambda view: etags.tagged(call.request, view, view.etag))
    return (await call.node.control(call.ref, verb, claim=call.claim)).map(moved)


async def stats(call: Call[NoQuery]) -> Reply:
    """Show what an agent has used."""
    return call.node.stats(call.ref).map(Answer)


async def versions(call: Call[NoQuery]) -> Reply:
    """List the versions an agent has run."""
    return call.node.versions(call.ref).map(lambda found: Answer(Page(list(found))))


async def logs(call: Call[LogsQuery]) -> Reply:
    """List the lines an agent wrote, or follow them as server-sent events."""
    if call.query.follow:
        return await _follow(call)
    query = call.query
    found = call.node.logs(call.ref, after=query.after)
    return found.map(lambda lines: Answer(Page(_some(lines, query))))


def _some(lines: list[LogLine], query: LogsQuery) -> list[LogLine]:
    """Return the lines that follow a line, or else the newest ones."""
    return lines[: query.limit] if query.after else lines[-query.limit :]


async def _follow(call: Call[LogsQuery]) -> Reply:
    seen = streams.resume_point(call.request)
    if isinstance(seen, Failure):
        return seen
    known = call.node.agent(call.ref)
    if isinstance(known, Failure):
        return known
    after = seen.unwrap()
    return await streams.stream(
        call.edge,
        call.request,
        call.node.follow_logs(call.ref, after=call.query.after if after is None else after),
        lambda line: streams.entry(line.seq, "log", line),
    )


def _changed(call: Call[Any]) -> object | None:
    """Return the failure of an If-Match; an agent that is not there is the node's to report."""
    return (
        call.node.agent(call.ref)
        .map(lambda view: etags.mismatch(call.request, view.etag))
        .value_or(None)
    )
