"""Rollouts: one deployment under way, step by step as its strategy decides.

Rules:
- The strategy decides, purely; `_perform` does what it asks for, in order, after the deployment is recorded.
- A version that does not start leaves what was there before as it was, and nothing where nothing was.
- The instance is exchanged between two steps; durable state, timers and the mailbox belong to the agent and stay.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from caxton_core.deployments import (
    DEPLOYMENT,
    Deployment,
    DeploymentState,
    Observation,
    Promoted,
    Strategy,
    Validated,
    VersionFailed,
    VersionStarted,
)  # fmt: skip
from caxton_core.effects import Advance, Promote, RolloutEffect, StartVersion
from caxton_core.errors import StartFailed
from caxton_core.events import DeploymentChanged
from caxton_core.ports import Fault, Row
from caxton_core.times import format_time
from caxton_core.views import DeploymentView

from caxton_server.runtime import handovers

if TYPE_CHECKING:
    from caxton_server.runtime.agents import Agents
    from caxton_server.runtime.cells import Cell
    from caxton_server.runtime.keys import Claim

START_SECONDS = 10.0
SWAP_MS = 2


class Rollout:
    """One deployment under way: `candidate` is to become a first version's agent, or the next version of `cell`."""

    def __init__(
        self,
        agents: Agents,
        strategy: Strategy,
        deployment: Deployment[DeploymentState],
        candidate: Cell,
        *,
        cell: Cell | None,
        claim: Claim | None,
    ) -> None:
        self.agents, self.kernel, self.strategy = agents, agents.kernel, strategy
        self.deployment, self.candidate, self.cell, self.claim = deployment, candidate, cell, claim
        self.failure: StartFailed | None = None
        """Why the version is not in place, when it is not."""

    async def run(self) -> None:
        """Bring the version into service, or say in `failure` why that is not possible."""
        await self._observe(Validated())

    async def _observe(self, observation: Observation) -> None:
        """Ask the strategy what follows from an observation, and do it."""
        for effect in self.strategy.decide(self.deployment, observation):
            await self._perform(effect)

    async def _perform(self, effect: RolloutEffect) -> None:
        match effect:
            case Advance(event, detail):
                self._advance(event, detail)
            case StartVersion():
                fault = await self._start()
                if fault is None:
                    await self._observe(VersionStarted())
                else:
                    await self._failed(fault)
            case Promote():
                fault = await self._promote()
                if fault is None:
                    await self._observe(Promoted())
                else:
                    await self._failed(fault)
            case _:
                # With one instance per agent the traffic moves, and the version before ends, in `_promote`.
                pass

    def _advance(self, event: str, detail: str) -> None:
        """Move the deployment to another state."""
        state = DEPLOYMENT.fire(self.deployment.state, event).unwrap()
        self.deployment = msgspec.structs.replace(
            self.deployment, state=state, detail=detail, since=self.kernel.now
        )
        self.record()
        self.agents.conversations.publish(
            DeploymentChanged(self.deployment.id, self.candidate.address, state, detail)
        )
        if state in (DeploymentState.RUNNING, DeploymentState.FAILED):
            self.kernel.counters.deployments[self.deployment.strategy, str(state)] += 1

    async def _failed(self, fault: Fault) -> None:
        self.failure = StartFailed(self.candidate.manifest.name, fault.reason, fault.detail)
        await self._observe(VersionFailed(fault.reason, fault.detail))

    async def _start(self) -> Fault | None:
        """Start the new version's instance, for at most ten seconds."""
        started: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()

        def done(fault: Fault | None) -> None:
            if not started.done():
                # The first version of an agent is in place once it has started.
                if self.cell is None:
                    self._in_place(fault)
                started.set_result(fault)

        self.agents.try_out(self.candidate, done)
        try:
            return await asyncio.wait_for(started, START_SECONDS)
        except TimeoutError:
            self.agents.discard(self.candidate)
            return Fault("time", f"it was not started within {START_SECONDS:g} s")

    async def _promote(self) -> Fault | None:
        """Make the started instance the agent's own."""
        if self.cell is None:
            self.cell = self.candidate
            return None
        while self.cell.parked:  # noqa: ASYNC110 - a step ends inside the kernel, which knows no asyncio
            await asyncio.sleep(SWAP_MS / 1000)
        ended: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()

        def done(fault: Fault | None) -> None:
            if not ended.done():
                self._in_place(fault)
                ended.set_result(fault)

        handovers.hand_over(self.agents, self.cell, self.candidate, done)
        return await ended

    def _in_place(self, fault: Fault | None) -> None:
        """Keep the claim in the go that puts the version in place, if that went well."""
        if fault is None and self.claim is not None:
            self.claim.refer(self.deployment.id)

    def record(self) -> DeploymentView:
        """Keep the deployment as it is now, and show it."""
        deployment = self.deployment
        view = DeploymentView(
            deployment.id, self.candidate.manifest.name, deployment.version, deployment.module, deployment.strategy,
            str(deployment.state), deployment.detail, format_time(deployment.created), format_time(deployment.since),
        )  # fmt: skip
        self.kernel.journal.put_row(row(view))
        return view


def row(view: DeploymentView) -> Row:
    """Make the row of a deployment."""
    columns: dict[str, str | int | None] = {"agent": view.agent, "state": view.state}
    return Row("deployments", view.id, columns, msgspec.json.encode(view))
