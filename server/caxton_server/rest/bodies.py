"""Request bodies: read under a limit with a counter of our own, decoded once into a typed value."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import aiohttp
import msgspec
from aiohttp import web
from caxton_core.errors import PayloadTooLarge
from caxton_core.nesting import too_deep
from returns.result import Failure, Result, Success

from caxton_server.rest.calls import Body
from caxton_server.rest.problems import (
    InvalidRequest,
    RequestTimeout,
    UnsupportedMediaType,
    finding,
)

T = TypeVar("T")

BODY_SECONDS = 60.0
"""How long a body may take to arrive, so that a slow client does not hold a connection for ever."""

# What a client sends that never thought of a type (curl -d, urllib); read as the route's own.
_CARELESS = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})


async def read(
    request: web.Request, body: Body
) -> Result[bytes, InvalidRequest | PayloadTooLarge | RequestTimeout | UnsupportedMediaType]:
    """Read the whole body of a request, at most `body.limit` bytes after decompression."""
    media = "" if "Content-Type" not in request.headers else request.content_type
    if media not in body.media and media not in _CARELESS:
        return Failure(UnsupportedMediaType(media, " or ".join(body.media)))
    if (request.content_length or 0) > body.limit:
        return Failure(PayloadTooLarge("body", request.content_length or 0, body.limit))
    gathered = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                gathered += chunk
                if len(gathered) > body.limit:
                    return Failure(PayloadTooLarge("body", len(gathered), body.limit))
    except TimeoutError:
        return Failure(RequestTimeout(BODY_SECONDS))
    except (aiohttp.ClientError, web.RequestPayloadError) as error:
        return Failure(InvalidRequest(f"The body can't be read: {error}."))
    if body.required and not gathered:
        return Failure(InvalidRequest("The body is empty."))
    return Success(bytes(gathered))


def decode(data: bytes, wanted: type[T]) -> Result[T, InvalidRequest]:
    """Decode a JSON body into the type that declares it.

    >>> decode(b'{"a": 1}', dict[str, int]).unwrap()
    {'a': 1}
    >>> decode(b'{"a": "x"}', dict[str, int]).failure().errors[0].path
    '/...'
    """
    if too_deep(data, "json"):
        return Failure(InvalidRequest("The body is nested too deeply."))
    try:
        return Success(msgspec.json.decode(data, type=wanted))
    except msgspec.ValidationError as error:
        return Failure(InvalidRequest("The body is not valid.", (finding(error),)))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Failure(InvalidRequest(f"The body is no JSON: {error}."))
