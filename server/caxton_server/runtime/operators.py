"""What operators ask of agents: start, stop, drain, restart, suspend, resume, remove.

Rules:
- A new instance is made only of a module that is trusted now, and only where there is memory for it.
- Who asks is answered when it is done and durable; a claim on the answer is kept in the go that does it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from caxton_core.agents import AGENT
from caxton_core.errors import Conflict, InvalidTransition, Problem, StartFailed
from returns.result import Failure, Result, Success

from caxton_server.runtime import budgets, listings
from caxton_server.runtime.scheduler import DROPPED

if TYPE_CHECKING:
    from caxton_core.ports import Fault
    from caxton_core.views import AgentView

    from caxton_server.runtime.agents import Agents
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.keys import Claim
    from caxton_server.runtime.modules import Modules

VERBS: Final = ("start", "stop", "drain", "restart", "suspend", "resume")
"""What moves an agent to another state."""
OPENING: Final = ("start", "restart")
"""What makes a new instance of a module, so that the module is asked about again."""


class Operators:
    """Does to agents what operators ask for."""

    def __init__(self, kernel: Kernel, agents: Agents, modules: Modules) -> None:
        self.kernel, self.agents, self.modules = kernel, agents, modules

    async def control(
        self, cell: Cell, verb: str, *, claim: Claim | None
    ) -> Result[AgentView, Problem]:
        """Move an agent to another state, as far as the table allows it."""
        if verb in OPENING and isinstance(AGENT.fire(cell.state, verb), Success):
            admitted = await self._admit(cell)
            if isinstance(admitted, Failure):
                return Failure(admitted.failure())
        done: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()

        def ended(fault: Fault | None) -> None:
            if not done.done():
                if fault is None and claim is not None:
                    claim.settle(listings.agent_view(cell))
                done.set_result(fault)

        self.kernel.tick()
        refused: InvalidTransition | None = self.agents.control(cell, verb, ended)
        if refused is not None:
            return Failure(refused)
        fault = await done
        await self.kernel.journal.wait(self.kernel.journal.position)
        if fault is DROPPED:
            return Failure(Conflict(f"{verb} {cell.name}: {fault.detail}"))
        if fault is not None:
            return Failure(StartFailed(cell.name, fault.reason, fault.detail))
        return Success(listings.agent_view(cell))

    async def remove(self, cell: Cell) -> None:
        """Remove an agent; its mailbox is answered with failures."""
        self.kernel.tick()
        self.agents.endings.remove(cell)
        await self.kernel.journal.wait(self.kernel.journal.position)

    async def _admit(self, cell: Cell) -> Result[None, Problem]:
        """Say whether an agent may get a new instance: its module is trusted, and the node has the memory."""
        loaded = await self.modules.load(
            cell.module_digest, cell.manifest.profile, agent=cell.address
        )
        if isinstance(loaded, Failure):
            return Failure(loaded.failure())
        minimum = self.modules.ready[cell.module_digest, cell.manifest.profile]
        publish = self.kernel.publish
        refused = budgets.refuse(self.kernel, publish, cell.address, minimum, instead_of=cell)
        return Success(None) if refused is None else Failure(refused)
