"""Deployments: the moves of agents to their versions, by a strategy."""

from __future__ import annotations

from typing import Any

import msgspec
from caxton_core.errors import FieldError
from returns.result import Failure, Success

from caxton_server.rest import etags, uploads
from caxton_server.rest.calls import BASE, Answer, Call, NoQuery, Reply
from caxton_server.rest.problems import InvalidRequest
from caxton_server.rest.queries import PageQuery, open_cursor, seal_page

LIST = "deployments"
DIRECT = "direct"


async def create(call: Call[NoQuery]) -> Reply:
    """Move an agent to a version."""
    upload = await uploads.read(call)
    if isinstance(upload, Failure):
        return upload
    found = upload.unwrap()
    manifest = uploads.manifest_of(found, call.node.config)
    if isinstance(manifest, Failure):
        return manifest
    wanted = manifest.unwrap()
    if found.agent is not None and found.agent != wanted.name:
        wrong = FieldError("/agent", f"the manifest is that of {wanted.name}")
        return Failure(InvalidRequest("The body is not valid.", (wrong,)))
    strategy = _strategy(found.strategy)
    accepted = call.answers(
        lambda view: Answer(
            view.deployment,
            status=202,
            headers={"Location": f"{BASE}/deployments/{view.deployment.id}"},
        )
    )
    deployed = await call.node.update(
        wanted, found.module, signature=found.signature, strategy=strategy, claim=call.claim
    )
    return deployed.map(accepted)


async def index(call: Call[PageQuery]) -> Reply:
    """List deployments."""
    position = open_cursor(LIST, call.query.cursor)
    if isinstance(position, Failure):
        return position
    page = await call.node.deployments(limit=call.query.limit, cursor=position.unwrap())
    return Success(Answer(seal_page(LIST, page)))


async def show(call: Call[NoQuery]) -> Reply:
    """Show one deployment."""
    return (await call.node.deployment(call.ref)).map(
        lambda view: etags.tagged(call.request, view, etags.of(view))
    )


def _strategy(given: Any) -> str:
    """Return the name of a strategy: text, or the one key of an object."""
    if given is None:
        return DIRECT
    if isinstance(given, dict) and len(given) == 1:
        return str(next(iter(given)))
    return given if isinstance(given, str) else msgspec.json.encode(given).decode()
