"""ETag, If-Match and If-None-Match on the resources that change: agents and deployments."""

from __future__ import annotations

import hashlib

import msgspec
from aiohttp import web

from caxton_server.rest.calls import Answer
from caxton_server.rest.problems import PreconditionFailed


def of(view: object) -> str:
    """Return the ETag of a view that has none of its own."""
    return hashlib.sha256(msgspec.json.encode(view)).hexdigest()[:16]


def tagged(request: web.Request, body: object, etag: str) -> Answer:
    """Answer with a resource and its ETag, or 304 when the client has this version."""
    quoted = f'"{etag}"'
    given = request.headers.get("If-None-Match")
    if given is not None and request.method in ("GET", "HEAD") and _names(given, quoted):
        return Answer(status=304, headers={"ETag": quoted})
    return Answer(body, headers={"ETag": quoted})


def mismatch(request: web.Request, etag: str) -> PreconditionFailed | None:
    """Return the failure of an If-Match that does not name this version."""
    given = request.headers.get("If-Match")
    quoted = f'"{etag}"'
    if given is None or _names(given, quoted):
        return None
    return PreconditionFailed(quoted)


def _names(header: str, quoted: str) -> bool:
    tags = [tag.strip() for tag in header.split(",")]
    return "*" in tags or quoted in tags
