"""Who may ask: the phase of the process, the bearer token, and where a browser's request comes from.

Without a token the node serves this machine only, so the one stranger left is a web page open in a
browser here. Such a request carries `Origin`, or a `Host` that is no name of this machine.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from aiohttp import web
from caxton_core.errors import Forbidden, NotAuthorized

from caxton_server.config import is_loopback
from caxton_server.rest.calls import Edge, Phase
from caxton_server.rest.problems import Unavailable


def refusal(edge: Edge, request: web.Request) -> Unavailable | NotAuthorized | Forbidden | None:
    """Return why a request is refused before it is looked at, None when it is not."""
    if edge.phase is not Phase.SERVING:
        return Unavailable(edge.phase)
    if edge.token is not None and not _bears(request, edge.token):
        return NotAuthorized()
    if edge.token is None and not _local(request.host):
        return Forbidden(f"Without a token this node is not served as {request.host}.")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        return Forbidden(f"Pages of {origin} may not use this API.")
    return None


def _bears(request: web.Request, token: str) -> bool:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _local(host: str) -> bool:
    """Tell whether a Host header names this machine.

    >>> _local("127.0.0.1:8080"), _local("[::1]:80"), _local("evil.example")
    (True, True, False)
    """
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)
