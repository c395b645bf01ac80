"""Plugins: what is loaded and what each adds."""

from __future__ import annotations

from caxton_core.views import Page
from returns.result import Success

from caxton_server.rest.calls import Answer, Call, NoQuery, Reply


async def index(call: Call[NoQuery]) -> Reply:
    """List the loaded plugins."""
    return Success(Answer(Page(list(call.node.plugins()))))
