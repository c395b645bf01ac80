"""What a node says of itself when it is asked from outside: how it is, and whether it can take work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core import __version__
from caxton_core.budgets import Budget
from caxton_core.views import CheckView, HealthView, MemoryView

if TYPE_CHECKING:
    from caxton_server.runtime.assembly import Runtime


def health(node: Runtime) -> HealthView:
    """Show a node in one look."""
    counts: dict[str, int] = {}
    for cell in node.kernel.cells.values() if node.running else ():
        counts[cell.state] = counts.get(cell.state, 0) + 1
    healthy = node.running and node.kernel.journal.commits.failing is None and not node.loop.failed
    status = "ok" if healthy else "degraded"
    uptime = round(node.clock.monotonic() - node.started_at, 3)
    budget = node.kernel.budget if node.running else Budget()
    memory = MemoryView(budget.used, budget.limit)
    return HealthView(
        status, __version__, node.platform, uptime, counts, node.storage.durability, memory
    )


def ready(node: Runtime) -> list[CheckView]:
    """Say whether a node can take work, check by check."""
    if not node.running:
        return [CheckView("node", ok=False, detail="not running")]
    commits = node.kernel.journal.commits
    failing, congested = commits.failing, commits.congested
    return [
        CheckView("node", ok=not node.loop.failed, detail=node.loop.failed),
        CheckView("storage", ok=failing is None, detail="" if failing is None else str(failing)),
        CheckView("journal", ok=not congested, detail="too much is uncommitted" if congested else ""),
    ]  # fmt: skip
