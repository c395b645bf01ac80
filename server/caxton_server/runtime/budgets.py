"""Whether the node has the memory for one more instance, asked before anything of it is made.

Rules:
- Asked at a deploy, and when an operator starts or restarts an agent. An agent that ran is started again after a fault or
  a restart of the node in any case: it fit once, and refusing would cost it its mailbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core.budgets import OVERHEAD
from caxton_core.errors import LimitExceeded
from caxton_core.events import Event, NodeMemoryExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.kernel import Kernel


def refuse(
    kernel: Kernel,
    publish: Callable[[Event], None],
    agent: str,
    minimum: int,
    *,
    instead_of: Cell | None = None,
) -> LimitExceeded | None:
    """Say why an agent may not get an instance that begins with so much memory; counts and announces it."""
    ends = 0 if instead_of is None else held(instead_of)
    refused = kernel.budget.refusal(minimum, instead=ends)
    if refused is not None:
        kernel.counters.memory_refusals += 1
        kernel.tick()
        publish(NodeMemoryExceeded(agent, refused.attempted or 0, refused.allowed))
    return refused


def held(cell: Cell) -> int:
    """Return what an agent's instance has of the budget."""
    return 0 if cell.guest is None else cell.guest.memory_bytes + OVERHEAD
