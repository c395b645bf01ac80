"""The header Idempotency-Key: what makes two requests the same one, and how an answer is given again.

Rules:
- A request is its method, its path, its query, its media type and its content: the boundary of a multipart body, white space and
  the order of keys in JSON are no difference; nor is how long it waits.
- A key belongs to who sent it.
- An answer that is given again is byte for byte the first one, and says so in `Idempotency-Replayed`.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

import msgspec
from aiohttp import web
from caxton_core.errors import FieldError
from caxton_core.nesting import too_deep
from returns.result import Failure, Result, Success

from caxton_server.rest import multiparts
from caxton_server.rest.calls import Edge, encode
from caxton_server.rest.problems import InvalidRequest
from caxton_server.runtime.keys import Kept

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
LONGEST: Final = 255
_ALSO: Final = ("Caxton-Signature",)
_WAIT: Final = "wait"
_LARGE: Final = 64 * 1024
_sorted = msgspec.json.Encoder(order="sorted").encode


def key_of(request: web.Request) -> Result[str | None, InvalidRequest]:
    """Return the key of a request, with or without the quotes of a structured header; None when it has none."""
    given = request.headers.getall(HEADER, [])
    if not given:
        return Success(None)
    key = given[0].strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(given) == 1 and 0 < len(key) <= LONGEST and key.isascii() and key.isprintable():
        return Success(key)
    wrong = FieldError("", f"expected one text of 1 to {LONGEST} ASCII characters")
    return Failure(InvalidRequest(f"The header {HEADER} is not valid.", (wrong,)))


def client_of(edge: Edge) -> str:
    """Return whose keys these are: there is one token, or nobody has one."""
    return "" if edge.token is None else "token"


async def digest_of(request: web.Request, body: bytes) -> str:
    """Return the digest of a request; that of a large one takes a while, so not on the loop."""
    if len(body) > _LARGE:
        return await asyncio.to_thread(_digest, request, body)
    return _digest(request, body)


def _digest(request: web.Request, body: bytes) -> str:
    query = sorted((name, "" if name == _WAIT else value) for name, value in request.query.items())
    also = [request.headers.get(name, "") for name in _ALSO]
    # Without a body there is none that a type could say anything of; some clients send one all the same.
    media = request.content_type if body else ""
    asked = [request.method, request.path, query, media, also]
    return hashlib.sha256(encode(asked) + b"\n" + _content(request, body)).hexdigest()


def _content(request: web.Request, body: bytes) -> bytes:
    """Return what a body says, apart from how it is written."""
    if request.content_type == "multipart/form-data":
        boundary = multiparts.boundary_of(request.headers["Content-Type"])
        parts = multiparts.split(body, boundary)
        if isinstance(parts, Success):
            return encode(
                sorted(
                    (name, hashlib.sha256(part.data).hexdigest())
                    for name, part in parts.unwrap().items()
                )
            )
    if body[:64].lstrip()[:1] == b"{" and not too_deep(body, "json"):
        try:
            return _sorted(msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
    return body


def response_of(kept: Kept, *, again: bool) -> web.Response:
    """Return the response that was kept."""
    headers = dict(kept.headers)
    if again:
        headers[REPLAYED] = "true"
    if kept.status == 204:
        return web.Response(status=204, headers=headers)
    return web.Response(
        body=bytes(kept.body), status=kept.status, headers=headers, content_type="application/json"
    )
