"""The configuration in force, secrets hidden."""

from __future__ import annotations

from returns.result import Success

from caxton_server.rest.calls import Answer, Call, NoQuery, Reply


async def show(call: Call[NoQuery]) -> Reply:
    """Show every setting by its section."""
    return Success(Answer(call.node.config.shown()))
