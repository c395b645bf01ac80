"""Messages in ACL's string form: made a JSON message at the edge, so that everything behind it knows one form."""

from __future__ import annotations

import asyncio

import msgspec
from caxton_core.acl_documents import document_of
from caxton_core.acl_strings import MEDIA_TYPE, parse_acl
from caxton_core.errors import Problem
from returns.result import Failure, Result, Success

from caxton_server.rest.problems import SenderNotAllowed

__all__ = ["MEDIA_TYPE", "as_json"]

SHORT = 16_384
"""Bytes that are read at once; longer texts are read in a thread, beside the agents' work."""


async def as_json(data: bytes, api: str) -> Result[bytes, Problem]:
    """Return the JSON message that a text is, without the sender if that is `api` itself."""
    if len(data) <= SHORT:
        return _as_json(data, api)
    return await asyncio.to_thread(_as_json, data, api)


def _as_json(data: bytes, api: str) -> Result[bytes, Problem]:
    parsed = parse_acl(data)
    if isinstance(parsed, Failure):
        return Failure(parsed.failure())
    told = document_of(parsed.unwrap())
    if isinstance(told, Failure):
        return Failure(told.failure())
    document = told.unwrap()
    # Texts of other platforms' tools name their sender; JSON messages of clients don't.
    if document.pop("sender", api) not in (api, api.partition("@")[0]):
        return Failure(SenderNotAllowed(api))
    return Success(msgspec.json.encode(document))
