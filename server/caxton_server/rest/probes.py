"""Probes: is the process alive, started, ready for work; and the node in one look."""

from __future__ import annotations

import msgspec
from caxton_core.errors import FieldError
from caxton_core.views import CheckView
from returns.result import Failure, Success

from caxton_server.rest.calls import Answer, Call, NoQuery, Phase, Reply
from caxton_server.rest.problems import NotReady


class StatusView(msgspec.Struct, frozen=True):
    """A probe that succeeded, with what it checked."""

    status: str
    checks: list[CheckView] = []


async def alive(call: Call[NoQuery]) -> Reply:
    """Answer, which is all a living loop has to do; depends on nothing."""
    return Success(Answer(StatusView("ok")))


async def started(call: Call[NoQuery]) -> Reply:
    """Say whether the node has recovered and runs."""
    if call.edge.phase is Phase.STARTING:
        return Failure(NotReady((FieldError("/started", "the node is starting"),)))
    return Success(Answer(StatusView("ok")))


async def ready(call: Call[NoQuery]) -> Reply:
    """Say whether the node takes work, check by check."""
    if call.edge.phase is not Phase.SERVING:
        return Failure(NotReady((FieldError("/phase", f"the node is {call.edge.phase}"),)))
    checks = call.node.ready()
    failing = tuple(FieldError(f"/{check.name}", check.detail) for check in checks if not check.ok)
    if failing:
        return Failure(NotReady(failing))
    return Success(Answer(StatusView("ok", checks)))


async def health(call: Call[NoQuery]) -> Reply:
    """Show status, version, node, uptime, agents by state and durability."""
    view = call.node.health()
    if call.edge.phase is not Phase.SERVING:
        view = msgspec.structs.replace(view, status=str(call.edge.phase))
    return Success(Answer(view))
