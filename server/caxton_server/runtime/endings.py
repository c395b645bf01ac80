"""Endings: how agents end in order, drained, stopped or removed; what happens when one dies is in `supervision.py`.

Rules:
- A guest's last call may take its time; everybody who has asked for the stop meanwhile is answered at its end.
- A drain ends when nothing is left to do: no message, no retry, no open conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from caxton_core.agents import AgentState
from caxton_core.events import AgentRemoved as AgentRemovedEvent
from caxton_core.ports import Fault, Row

from caxton_server.runtime.cells import Cell
from caxton_server.runtime.records import AgentRemoved, Routed
from caxton_server.runtime.scheduler import DROPPED

if TYPE_CHECKING:
    from caxton_server.runtime.agents import Agents
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.timers import Timers

ENDED: Final = (AgentState.FAILED, AgentState.STOPPED)
"""The states in which an agent has nothing before it: what it had was answered with failures."""


class Endings:
    """Stops, drains and removes agents."""

    def __init__(self, kernel: Kernel, timers: Timers, agents: Agents) -> None:
        self.kernel, self.timers, self.agents = kernel, timers, agents

    def stop(self, cell: Cell, done: Callable[[Fault | None], None]) -> None:
        """Make the guest's last call, then discard it; a call it is in is dropped and its message answered."""
        agents = self.agents

        def drained(fault: Fault | None) -> None:
            if fault is DROPPED:
                done(DROPPED)
                return
            agents.interrupt(cell)
            if cell.state not in ENDED:
                agents.move(cell, "stop")
            done(None)

        if cell.stopping is not None:
            cell.stopping.append(done)
            return
        if cell.guest is None or not cell.started or cell.parked:
            drained(None)
            return
        agents.scheduler.drop(cell)
        cell.awake = False
        cell.stopping = waiting = [done]

        def all_done(fault: Fault | None) -> None:
            cell.stopping = None
            for each in waiting:
                each(fault)

        done = all_done
        self.kernel.tick()
        cell.step.begin(None)
        agents.scheduler.mark(0)
        agents.scheduler.call(cell, cell.guest.drain(), drained)

    def settle_drain(self, cell: Cell) -> None:
        """Stop a draining agent that has nothing left to do."""
        if cell.state is not AgentState.DRAINING or cell.mailbox.queue or cell.held or cell.queued:
            return
        if self.agents.conversations.per_agent[cell.address]:
            return
        self.stop(cell, lambda _fault: None)

    def quiet(self, address: str) -> None:
        """Settle the drain of an agent whose last conversation has just ended, but not in the middle of that."""
        cell = self.kernel.find(address)
        if type(cell) is Cell and cell.state is AgentState.DRAINING:
            self.timers.at(self.kernel.now, lambda _now: self.settle_drain(cell))

    def remove(self, cell: Cell) -> None:
        """Forget an agent; its mailbox and the message it handles are answered, its handle never used again."""
        agents, kernel = self.agents, self.kernel
        performer, conversations = agents.performer, agents.conversations
        agents.interrupt(cell)
        if cell.state not in ENDED:
            # What is answered to itself must not go into the mailbox that is being emptied.
            cell.enter(AgentState.STOPPED)
            performer.failures.clear(cell, "undeliverable", f"{cell.address} was removed")
        for sent in performer.ams.part(cell, f"{cell.address} was removed"):
            kernel.journal.append(Routed(kernel.now, sent))
        performer.alarms.silence(cell)
        # What it sent last names its receivers in a form that the garbage collector doesn't look into.
        cell.step.begin(None)
        kernel.remove(cell)
        if not conversations.per_agent[cell.address]:
            conversations.per_agent.pop(cell.address, None)
        kernel.journal.append(AgentRemoved(kernel.now, int(cell.handle)))
        performer.directory.registry.forget(cell)
        kernel.journal.put_row(Row("agents", str(int(cell.handle)), {}, deleted=True))
        agents.publish(AgentRemovedEvent(cell.address))
