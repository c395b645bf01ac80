"""Handovers: the next version of an agent, started beside it and then put in its place between two steps.

Rules:
- The two share what belongs to the agent and not to an instance: durable state, timers, log. Each gives out timer ids
  of its own range.
- The agent's mailbox, state of life and handle stay as they are at the moment of the exchange.
- The old instance's `export_state`, if it has any, is the last thing it does; the new one's `import_state` the first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from caxton_core.ports import Fault
from caxton_core.resources import Manifest

from caxton_server.runtime.endings import ENDED
from caxton_server.runtime.records import VersionSaved
from caxton_server.runtime.scheduler import DROPPED
from caxton_server.runtime.steps import TIMERS_PER_STEP

if TYPE_CHECKING:
    from caxton_core.ids import ModuleDigest

    from caxton_server.runtime.agents import Agents
    from caxton_server.runtime.cells import Cell

VERSIONS_KEPT = 20
GONE = Fault("removed", "the agent was removed meanwhile")


def successor(
    agents: Agents, cell: Cell, manifest: Manifest, digest: ModuleDigest, deployment: str, *, sandbox: str
) -> Cell:  # fmt: skip
    """Make the next version of an agent, to be started beside it."""
    now = agents.kernel.now
    version = VersionSaved(manifest.version, digest, deployment, now)
    # What the step the agent is in may have been given, then what the new version's start may be given.
    cell.next_timer += 2 * TIMERS_PER_STEP
    saved = msgspec.structs.replace(
        cell.saved(now), manifest=manifest, module=digest, deployment=deployment,
        versions=(*cell.versions, version)[-VERSIONS_KEPT:], next_timer=cell.next_timer - TIMERS_PER_STEP,
    )  # fmt: skip
    candidate = agents.create(saved, sandbox=sandbox)
    candidate.data, candidate.data_size = cell.data, cell.data_size
    candidate.timers, candidate.alarms, candidate.logs = cell.timers, cell.alarms, cell.logs
    return candidate


def hand_over(
    agents: Agents, cell: Cell, candidate: Cell, done: Callable[[Fault | None], None]
) -> None:
    """Exchange an agent's instance for that of its next version; call it between two steps.

    `done` gets what prevented it; then the agent goes on as it was, and the candidate is gone.
    """

    def ended(fault: Fault | None) -> None:
        if fault is None and agents.kernel.cells.get(int(cell.handle)) is not cell:
            fault = GONE
        if fault is None:
            _replace(agents, cell, candidate)
        else:
            agents.discard(candidate)
            if fault is not DROPPED:
                cell.awake = cell.may_run and not cell.parked
                agents.scheduler.wake(cell)
        done(fault)

    def exported(fault: Fault | None) -> None:
        data, cell.answer = cell.answer, None
        if fault is not None and fault is not DROPPED:
            agents.supervisor.ended(cell, fault)
        if fault is not None or data is None or candidate.guest is None:
            ended(fault)
            return
        cell.awake = False
        candidate.step.begin(None)
        agents.scheduler.call(candidate, candidate.guest.import_state(data), ended)

    if agents.kernel.cells.get(int(cell.handle)) is not cell:
        ended(GONE)
        return
    if cell.guest is None or not cell.started:
        ended(None)
        return
    agents.scheduler.drop(cell)
    cell.awake = False
    agents.kernel.tick()
    cell.step.begin(None)
    agents.scheduler.call(cell, cell.guest.export_state(), exported)


def _replace(agents: Agents, cell: Cell, candidate: Cell) -> None:
    """Put the next version in the place of an agent's instance."""
    agents.interrupt(cell)
    agents.supervisor.forgive(cell)
    now = agents.kernel.now
    step, guest, codec = candidate.step, candidate.guest, cell.codec
    cell.adopt(
        msgspec.structs.replace(
            candidate.saved(now), state=str(cell.state), detail=cell.detail,
            next_timer=max(cell.next_timer, candidate.next_timer),
        )
    )  # fmt: skip
    cell.sandbox = candidate.sandbox
    # Both wrote to the state meanwhile, each with its own count.
    cell.data_size = sum([len(key) + len(value) for key, value in cell.data.items()])
    cell.step, cell.guest, step.cell = step, guest, cell
    candidate.guest = None
    if cell.codec != codec:
        cell.mailbox.recode(cell.codec, cell.held.values())
    if cell.state in ENDED:
        agents.move(cell, "restart")
    else:
        cell.revision += 1
        agents.save(cell)
    agents.awaken(cell)
