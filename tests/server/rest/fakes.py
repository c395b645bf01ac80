"""A node that knows nothing, for what the edge decides before it asks one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from caxton_core.errors import AgentNotFound, KeyUnderWay
from caxton_core.views import CheckView, HealthView
from caxton_server.config import Config
from caxton_server.rest.calls import Edge, Phase
from returns.result import Failure, Result

if TYPE_CHECKING:
    from caxton_server.runtime.node import Node


class EmptyNode:
    """A node without agents; counts what reaches it."""

    platform = "caxton"
    config = Config()

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.checks = [CheckView("storage", ok=True)]

    def health(self) -> HealthView:
        return HealthView("ok", "0.1.0", "caxton", 1.0, {}, "memory")

    def ready(self) -> list[CheckView]:
        return self.checks

    async def claim(self, client: str, key: str, digest: str) -> Result[Any, KeyUnderWay]:
        self.asked.append(f"{client}:{key}:{digest}")
        return Failure(KeyUnderWay(key))

    def agent(self, ref: str) -> Result[Any, AgentNotFound]:
        self.asked.append(ref)
        return Failure(AgentNotFound(ref))


def serving(node: EmptyNode | None = None, **given: Any) -> Edge:
    """Return the edge of a node that serves."""
    return Edge(cast("Node", node or EmptyNode()), **{"phase": Phase.SERVING, **given})
