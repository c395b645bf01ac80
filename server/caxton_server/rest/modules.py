"""Modules: pushed as they are, named by their digest."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
from caxton_core.errors import InvalidSignature, InvalidValue
from caxton_core.ids import ModuleDigest
from caxton_core.signatures import Signature
from returns.result import Failure, Result, Success

from caxton_server.rest.calls import BASE, MODULE_LIMIT, Answer, Body, Call, NoQuery, Reply
from caxton_server.rest.queries import PageQuery, Text, open_cursor, seal_page

LIST = "modules"
HEADER = "Caxton-Signature"
BODY = Body(media={"application/wasm": bytes}, limit=MODULE_LIMIT)


class PushQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The profile to check a module against; without one the node's default."""

    profile: Text | None = None


async def create(call: Call[PushQuery]) -> Reply:
    """Check and compile a module and keep it."""
    signature = _signature(call)
    if isinstance(signature, Failure):
        return signature
    kept = call.answers(
        lambda view: Answer(view, status=201, headers={"Location": f"{BASE}/modules/{view.sha256}"})
    )
    pushed = await call.node.push_module(
        call.body, call.query.profile, signature=signature.unwrap(), claim=call.claim
    )
    return pushed.map(kept)


async def index(call: Call[PageQuery]) -> Reply:
    """List the modules the node holds."""
    position = open_cursor(LIST, call.query.cursor)
    if isinstance(position, Failure):
        return position
    page = await call.node.modules(limit=call.query.limit, cursor=position.unwrap())
    return Success(Answer(seal_page(LIST, page)))


async def show(call: Call[NoQuery]) -> Reply:
    """Show one module."""
    digest = _digest(call)
    if isinstance(digest, Failure):
        return digest
    return (await call.node.module(digest.unwrap())).map(Answer)


async def remove(call: Call[NoQuery]) -> Reply:
    """Forget a module that no agent runs."""
    digest = _digest(call)
    if isinstance(digest, Failure):
        return digest
    return (await call.node.remove_module(digest.unwrap())).map(lambda _: Answer(status=204))


def _signature(call: Call[Any]) -> Result[Signature | None, InvalidSignature]:
    """Read the signature file that the header carries in Base64, since its lines would not fit in one."""
    given = call.request.headers.get(HEADER)
    if given is None:
        return Success(None)
    try:
        return Signature.parse(base64.b64decode(given, validate=True))
    except (binascii.Error, ValueError):
        return Failure(InvalidSignature(f"the header {HEADER} is no Base64"))


def _digest(call: Call[Any]) -> Result[ModuleDigest, InvalidValue]:
    """Read the digest in the path, with or without `sha256:`."""
    return ModuleDigest.parse(f"sha256:{call.ref.removeprefix('sha256:').lower()}")
