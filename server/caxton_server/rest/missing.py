"""What the API is to have and this build lacks: answered as such, never as not found."""

from __future__ import annotations

from typing import Any

from caxton_core.errors import NotImplementedYet
from returns.result import Failure

from caxton_server.rest.calls import Call, Handler, Reply


def lacking(what: str) -> Handler:
    """Return a handler that says what is missing."""

    async def handler(call: Call[Any]) -> Reply:
        return Failure(NotImplementedYet(what))

    return handler
