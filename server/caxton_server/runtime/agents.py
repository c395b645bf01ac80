"""The node's agents: their lifecycle and their instances; `endings.py` and `supervision.py` see to how they end.

Rules:
- Every change of state goes through the table in `caxton_core.agents` and is journalled here, in `move`.
- After a fatal fault the instance is discarded and never used again; while it waits to be started anew the agent
  counts as running and its mailbox fills.
- Entering `failed` or `stopped` answers the mailbox with failures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
from caxton_core.agents import AGENT, AgentState
from caxton_core.errors import InvalidModule, InvalidTransition, LimitExceeded
from caxton_core.events import (
    AgentDraining,
    AgentFailed,
    AgentRestarted,
    AgentResumed,
    AgentStarted,
    AgentStopped,
    AgentSuspended,
    Event,
    name_of,
)  # fmt: skip
from caxton_core.ids import AgentId, ModuleDigest
from caxton_core.ports import Fault, Guest, Row, Sandbox
from returns.result import Failure, Result, Success

from caxton_server.runtime.cells import Cell
from caxton_server.runtime.endings import ENDED, Endings
from caxton_server.runtime.limits import reach_by_fault
from caxton_server.runtime.records import AgentSaved, VersionSaved
from caxton_server.runtime.scheduler import DROPPED
from caxton_server.runtime.steps import Step
from caxton_server.runtime.supervision import Supervisor

if TYPE_CHECKING:
    from caxton_core.resources import Manifest

    from caxton_server.runtime.conversations import Conversations
    from caxton_server.runtime.effects import Performer
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.router import Router
    from caxton_server.runtime.scheduler import Scheduler
    from caxton_server.runtime.timers import Timers


class Agents:
    """Creates and starts agents, and changes their states."""

    def __init__(
        self,
        kernel: Kernel,
        router: Router,
        conversations: Conversations,
        performer: Performer,
        scheduler: Scheduler,
        timers: Timers,
        sandboxes: Mapping[str, Sandbox],
    ) -> None:
        self.kernel, self.router, self.conversations = kernel, router, conversations
        self.performer, self.scheduler, self.sandboxes = performer, scheduler, sandboxes
        self.reserved: set[str] = set()
        self.supervisor = Supervisor(kernel, timers, self)
        scheduler.on_ended = self.supervisor.ended
        self.endings = Endings(kernel, timers, self)
        scheduler.on_empty = self.endings.settle_drain
        conversations.on_quiet = self.endings.quiet

    # Creation

    def create(self, saved: AgentSaved, *, sandbox: str) -> Cell:
        """Make the run-time side of an agent; it is neither known nor started yet."""
        cell = Cell(saved, platform=self.kernel.platform, sandbox=sandbox)
        cell.step = Step(self.kernel, self.router, cell)
        return cell

    def new(
        self, manifest: Manifest, digest: ModuleDigest, deployment: str, *, sandbox: str
    ) -> Cell:
        """Make a new agent, loaded."""
        kernel = self.kernel
        handle = AgentId.new(kernel.entropy)
        while handle in kernel.cells:
            handle = AgentId.new(kernel.entropy)
        version = VersionSaved(manifest.version, digest, deployment, kernel.now)
        loaded = AGENT.fire(AgentState.UNLOADED, "load").unwrap()
        return self.create(
            AgentSaved(kernel.now, handle, manifest.name, loaded, manifest, digest, deployment, kernel.now, "", (version,)),
            sandbox=sandbox,
        )  # fmt: skip

    # Starting

    def open(self, cell: Cell) -> Result[Guest, InvalidModule | LimitExceeded]:
        """Make a new instance of an agent's module."""
        return self.sandboxes[cell.sandbox].open(
            ModuleDigest(cell.module), cell.manifest.profile, cell.manifest.limits, cell.step
        )

    def launch(self, cell: Cell, done: Callable[[Fault | None], None]) -> None:
        """Open and start an instance; `done` gets the fault that prevented it, if any."""
        match self.open(cell):
            case Success(guest):
                cell.guest = guest
            case Failure(LimitExceeded() as error):
                fault = Fault("memory", str(error), error.limit)
                reach_by_fault(self.kernel, cell, fault)
                done(fault)
                return
            case Failure(error):
                done(Fault("invalid-module", str(error)))
                return
        self.kernel.tick()
        cell.step.begin(None)
        assert cell.guest is not None
        self.scheduler.mark(0)
        self.scheduler.call(cell, cell.guest.start(msgspec.json.encode(cell.manifest.config)), done)

    def try_out(self, cell: Cell, done: Callable[[Fault | None], None]) -> None:
        """Start an instance of a version that nobody knows yet; an agent's first one is known once it has started."""
        first = int(cell.handle) not in self.kernel.cells
        if first:
            self.kernel.journal.append(cell.saved(self.kernel.now))

        def started(fault: Fault | None) -> None:
            if fault is not None and fault is not DROPPED:
                self.discard(cell)
            elif fault is None and first:
                # At once: whoever got a message from its start may answer in the next turn.
                self._admit(cell)
            done(fault)

        self.launch(cell, started)

    def _admit(self, cell: Cell) -> None:
        """Make an agent known that has started."""
        self.kernel.add(cell)
        self.move(cell, "start")
        self.awaken(cell)

    def awaken(self, cell: Cell) -> None:
        """Hand messages to an instance that has started."""
        cell.started = True
        cell.awake = cell.may_run
        self.scheduler.wake(cell)
        self.endings.settle_drain(cell)

    # Instances that end

    def discard(self, cell: Cell) -> None:
        """Close an instance, with the call it may be in, and wait for no other one."""
        self.supervisor.overtake(cell)
        self.scheduler.drop(cell)
        cell.awake = cell.started = False
        guest, cell.guest = cell.guest, None
        if guest is not None:
            self.kernel.counters.fuel += guest.fuel_used
            cell.fuel += guest.fuel_used
            guest.close()

    def give_up(self, cell: Cell, fault: Fault, *, why: str) -> None:
        """Fail an agent that is not started any more; `why` is a word for events and metrics."""
        self.discard(cell)
        self.kernel.counters.give_ups[why] += 1
        self.move(cell, "fail", detail=f"{fault.reason}: {fault.detail}", why=why)

    # What operators ask for

    def control(
        self, cell: Cell, verb: str, done: Callable[[Fault | None], None]
    ) -> InvalidTransition | None:
        """Do what an operator asks, if the table allows it; `done` is called when it is done."""
        answer = AGENT.fire(cell.state, verb)
        if isinstance(answer, Failure):
            refused: InvalidTransition = answer.failure()
            return refused
        match verb:
            case "stop":
                self.endings.stop(cell, done)
            case "drain":
                self.move(cell, "drain")
                self.endings.settle_drain(cell)
                done(None)
            case "suspend":
                self.move(cell, "suspend")
                cell.awake = False
                done(None)
            case "resume":
                self.move(cell, "resume")
                if cell.guest is None:
                    self.supervisor.go_on(cell)
                else:
                    cell.awake = cell.may_run and not cell.parked
                    self.scheduler.wake(cell)
                done(None)
            case _:
                self._restart(cell, verb, done)
        return None

    def interrupt(self, cell: Cell) -> None:
        """Discard an instance; a message it was in the middle of goes back to the head of the mailbox."""
        interrupted = cell.running_delivery
        self.discard(cell)
        if interrupted is not None:
            cell.mailbox.push_front(interrupted)

    def _restart(self, cell: Cell, verb: str, done: Callable[[Fault | None], None]) -> None:
        """Replace the instance by a fresh one; the message it was handling is handled again."""
        self.interrupt(cell)
        self.supervisor.forgive(cell)

        def started(fault: Fault | None) -> None:
            if fault is None:
                self.move(cell, verb)
                self.awaken(cell)
            elif fault is not DROPPED:
                self.give_up(cell, fault, why="operator")
            done(fault)

        self.launch(cell, started)

    # State

    def move(self, cell: Cell, event: str, *, detail: str = "", why: str = "") -> None:
        """Follow a row of the table and record it."""
        cell.enter(AGENT.fire(cell.state, event).unwrap())
        cell.detail = detail
        cell.revision += 1
        self.save(cell)
        self._announce(cell, event, why)
        if cell.state in ENDED:
            reason = (
                "the agent failed" if cell.state is AgentState.FAILED else "the agent was stopped"
            )
            self.performer.failures.clear(cell, "undeliverable", f"{reason}: {cell.address}")

    def save(self, cell: Cell) -> None:
        """Record an agent as it is."""
        journal = self.kernel.journal
        saved = cell.saved(self.kernel.now)
        journal.append(saved)
        self.performer.directory.registry.note(saved)
        journal.put_row(
            Row(
                "agents",
                str(saved.id),
                {"name": saved.name, "state": str(saved.state)},
                msgspec.json.encode(saved),
            )
        )

    def _announce(self, cell: Cell, event: str, why: str) -> None:
        """Publish what an event of the table means for an agent."""
        match event:
            case "start":
                self.publish(AgentStarted(cell.address, cell.manifest.version))
            case "drain":
                self.publish(AgentDraining(cell.address))
            case "suspend":
                self.publish(AgentSuspended(cell.address))
            case "resume":
                self.publish(AgentResumed(cell.address))
            case "restart":
                self.publish(AgentRestarted(cell.address, "operator"))
            case "stop":
                self.publish(AgentStopped(cell.address))
            case _:
                reason, _, detail = cell.detail.partition(": ")
                self.publish(AgentFailed(cell.address, reason, detail, why, cell.restarts))

    def publish(self, event: Event) -> None:
        """Count and publish an event in the life of an agent."""
        self.kernel.counters.agent_events[name_of(event).partition(".")[2]] += 1
        self.conversations.publish(event)
