"""Supervision: what follows the end of an agent's instance, now and after a crash of the node.

Rules:
- `caxton_core.restarts` decides; here the decision is kept, journalled, told and carried out.
- What counts against an agent and when its next instance is due outlive the node: no crash gives a fresh allowance, and
  none ends a pause.
- What an operator does (start, restart, another version) begins a new history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core.agents import AgentState
from caxton_core.events import AgentRestarted
from caxton_core.ports import EXIT, FATAL_REASONS, Fault
from caxton_core.restarts import LONGEST_DELAY, GiveUp, History, supervise

from caxton_server.runtime.scheduler import DROPPED

if TYPE_CHECKING:
    from caxton_server.runtime.agents import Agents
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.timers import Timers

RUNS = (AgentState.RUNNING, AgentState.DRAINING, AgentState.SUSPENDED)
"""The states in which an agent is to have an instance."""


class Supervisor:
    """Restarts agents, or gives them up."""

    def __init__(self, kernel: Kernel, timers: Timers, agents: Agents) -> None:
        self.kernel, self.timers, self.agents = kernel, timers, agents

    def ended(self, cell: Cell, fault: Fault | None) -> None:
        """Follow the end of a delivery: an instance that is dead is replaced, any other lives on."""
        if fault is not None and fault.reason in FATAL_REASONS:
            delivery = cell.step.delivery
            orderly = delivery is not None and fault.reason == EXIT
            retried = delivery is not None and delivery.attempt > 1 and not orderly
            self.died(cell, fault, orderly=orderly, retried=retried)

    def died(
        self, cell: Cell, fault: Fault, *, orderly: bool = False, retried: bool = False
    ) -> None:
        """Discard an instance and decide whether another one follows."""
        agents, kernel = self.agents, self.kernel
        agents.discard(cell)
        decision = supervise(
            cell.manifest.restart,
            history=cell.history,
            now=kernel.now,
            jitter=int.from_bytes(kernel.entropy(2), "big") / 65_535,
            orderly=orderly,
            retried=retried,
        )
        if isinstance(decision, GiveUp) and orderly and decision.reason == "policy":
            agents.move(cell, "stop", detail=f"{fault.reason}: {fault.detail}")
            return
        if isinstance(decision, GiveUp):
            agents.give_up(cell, fault, why=decision.reason)
            return
        cell.history = decision.history
        cell.restarts += 1
        cell.restart_due = kernel.now + decision.after
        cell.restart_reason = f"{fault.reason}: {fault.detail}"
        self._note(cell)
        kernel.counters.restarts[fault.reason] += 1
        agents.publish(
            AgentRestarted(
                cell.address, cell.restart_reason, attempt=cell.history.streak, delay_ms=decision.after
            )
        )  # fmt: skip
        self._wait(cell)

    def _wait(self, cell: Cell) -> None:
        """Start the next instance when it is due."""
        cell.comeback = self.timers.at(cell.restart_due, lambda _now: self.revive(cell))

    def revive(self, cell: Cell) -> None:
        """Start an agent again that counts as running."""
        self.take_back(cell)
        if self.kernel.cells.get(int(cell.handle)) is not cell or cell.guest is not None:
            return
        if cell.state not in RUNS:
            return

        def started(fault: Fault | None) -> None:
            if fault is None:
                self.agents.awaken(cell)
            elif fault is not DROPPED:
                self.died(cell, fault)

        self.agents.launch(cell, started)

    def go_on(self, cell: Cell) -> None:
        """Start an agent that has no instance: at once, unless it waits to be started."""
        if cell.comeback is not None:
            return
        # A clock that was set back makes nobody wait longer than anybody ever does.
        due = min(cell.restart_due, self.kernel.tick() + LONGEST_DELAY)
        if due > self.kernel.now and cell.state in RUNS and cell.guest is None:
            cell.restart_due = due
            self._wait(cell)
        else:
            self.revive(cell)

    def take_back(self, cell: Cell) -> bool:
        """Forget the instance that an agent waits for, and say whether it did."""
        ticket, cell.comeback = cell.comeback, None
        cell.restart_due = 0
        if ticket is not None:
            self.timers.cancel(ticket)
        return ticket is not None

    def overtake(self, cell: Cell) -> None:
        """Forget the instance that an agent waits for, durably: somebody else sees to it."""
        if self.take_back(cell):
            self._note(cell)

    def forgive(self, cell: Cell) -> None:
        """Begin a new history."""
        if self.take_back(cell) or cell.history != History():
            cell.history = History()
            self._note(cell)

    def _note(self, cell: Cell) -> None:
        """Record what counts against an agent, and when its next instance is due."""
        self.kernel.journal.append(cell.restarted(self.kernel.now))
