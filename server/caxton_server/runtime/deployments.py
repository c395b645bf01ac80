"""Deployments: an agent's first version and every later one, by a strategy.

Rules:
- The strategy decides, purely; `_perform` does what it asks for, in order, after the deployment is recorded.
- A version that does not start leaves what was there before as it was, and nothing where nothing was.
- The instance is exchanged between two steps; durable state, timers and the mailbox belong to the agent and stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

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
from caxton_core.documents import nearest
from caxton_core.effects import Advance, Promote, RolloutEffect, StartVersion
from caxton_core.errors import (
    AgentExists,
    Conflict,
    FieldError,
    InvalidManifest,
    InvalidModule,
    LimitExceeded,
    NotFound,
    StartFailed,
    StorageError,
    UntrustedModule,
)  # fmt: skip
from caxton_core.events import AgentDeployed, DeploymentChanged, DeploymentStarted
from caxton_core.ids import DeploymentId, ModuleDigest
from caxton_core.ports import Fault, Row
from caxton_core.resources import Manifest
from caxton_core.times import format_time
from caxton_core.views import DeployedView, DeploymentView, Page
from returns.result import Failure, Result, Success

from caxton_server.runtime import budgets, handovers, listings
from caxton_server.runtime.cells import Cell

if TYPE_CHECKING:
    from caxton_core.hookspecs import SandboxKind
    from caxton_core.signatures import Signature

    from caxton_server.runtime.agents import Agents
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.keys import Claim
    from caxton_server.runtime.modules import Modules

START_SECONDS = 10.0
SWAP_MS = 2
UNFINISHED = (DeploymentState.VALIDATING, DeploymentState.DEPLOYING, DeploymentState.PROMOTING)

DeployError: TypeAlias = (
    AgentExists
    | Conflict
    | InvalidManifest
    | InvalidModule
    | LimitExceeded
    | NotFound
    | StartFailed
    | StorageError
    | UntrustedModule
)


class Rollout:
    """One deployment under way."""

    def __init__(
        self,
        deployment: Deployment[DeploymentState],
        manifest: Manifest,
        sandbox: str,
        cell: Cell | None,
        claim: Claim | None,
    ) -> None:
        self.deployment, self.manifest, self.sandbox, self.cell = (
            deployment,
            manifest,
            sandbox,
            cell,
        )
        self.claim = claim
        self.candidate: Cell | None = None
        self.failure: StartFailed | None = None

    def in_place(self, fault: Fault | None) -> None:
        """Keep the claim in the go that puts the version in place, if that went well."""
        if fault is None and self.claim is not None:
            self.claim.refer(self.deployment.id)


class Deployments:
    """Moves agents to versions."""

    def __init__(
        self, kernel: Kernel, agents: Agents, modules: Modules, strategies: Mapping[str, Strategy]
    ) -> None:
        self.kernel, self.agents, self.modules, self.strategies = (
            kernel,
            agents,
            modules,
            strategies,
        )

    async def deploy(
        self,
        manifest: Manifest,
        module: bytes | None,
        *,
        signature: Signature | None = None,
        strategy: str = "direct",
        cell: Cell | None = None,
        claim: Claim | None = None,
    ) -> Result[DeployedView, DeployError]:
        """Bring a version into service; without a `cell` it is an agent's first."""
        kernel = self.kernel
        if claim is not None and claim.reference:
            return await self._deployed(claim)
        if cell is None and (
            manifest.name in kernel.directory or manifest.name in self.agents.reserved
        ):
            return Failure(AgentExists(manifest.name))
        if manifest.name in self.agents.reserved:
            return Failure(Conflict(f"another deployment of {manifest.name} is under way"))
        self.agents.reserved.add(manifest.name)
        try:
            kind = self.modules.profiles.get(manifest.profile)
            if kind is None:
                return Failure(InvalidManifest((self._no_profile(manifest),)))
            if manifest.codec not in kind.codecs:
                return Failure(InvalidManifest((_no_codec(manifest, kind),)))
            digest = await self._module(manifest, module, signature)
            if isinstance(digest, Failure):
                return Failure(digest.failure())
            refused = budgets.refuse(
                kernel,
                self.agents.conversations.publish,
                f"{manifest.name}@{kernel.platform}",
                self.modules.ready[digest.unwrap(), manifest.profile],
            )
            if refused is not None:
                return Failure(refused)
            rollout = self._begin(manifest, digest.unwrap(), kind.name, strategy, cell, claim)
            await self._observe(rollout, Validated())
        finally:
            self.agents.reserved.discard(manifest.name)
        view = self._record(rollout)
        if rollout.failure is not None:
            await kernel.journal.wait(kernel.journal.position)
            return Failure(rollout.failure)
        assert rollout.cell is not None
        deployed = DeployedView(listings.agent_view(rollout.cell), view)
        if claim is not None:
            claim.settle(deployed)
        await kernel.journal.wait(kernel.journal.position)
        return Success(deployed)

    async def _deployed(self, claim: Claim) -> Result[DeployedView, DeployError]:
        """Answer for a deployment whose request came before, and whose answer did not come to be known."""
        shown = await self.show(claim.reference)
        if isinstance(shown, Failure):
            return Failure(shown.failure())
        view = shown.unwrap()
        cell = self.kernel.find(view.agent)
        if not isinstance(cell, Cell):
            return Failure(Conflict(f"{view.agent} was deployed, and has been removed since"))
        deployed = DeployedView(listings.agent_view(cell), view)
        claim.settle(deployed)
        await self.kernel.journal.wait(self.kernel.journal.position)
        return Success(deployed)

    def _no_profile(self, manifest: Manifest) -> FieldError:
        profiles = sorted(self.modules.profiles)
        return FieldError(
            "/profile",
            f"no sandbox runs {manifest.profile!r}; there are {', '.join(profiles)}",
            nearest(manifest.profile, profiles),
        )

    async def _module(
        self, manifest: Manifest, module: bytes | None, signature: Signature | None
    ) -> Result[ModuleDigest, DeployError]:
        """Check the module that came with the manifest, or find the one it names."""
        agent = f"{manifest.name}@{self.kernel.platform}"
        if module is not None:
            pushed = await self.modules.push(
                module, manifest.profile, signature=signature, agent=agent
            )
            return pushed.map(lambda view: ModuleDigest(view.sha256))
        digest = manifest.digest
        if digest is None:
            return Failure(
                InvalidModule("no module was given, and the manifest names none by sha256:")
            )
        loaded = await self.modules.load(digest, manifest.profile, signature=signature, agent=agent)
        return loaded.map(lambda _: digest)

    def _begin(
        self,
        manifest: Manifest,
        digest: ModuleDigest,
        sandbox: str,
        strategy: str,
        cell: Cell | None,
        claim: Claim | None,
    ) -> Rollout:
        kernel = self.kernel
        kernel.tick()
        deployment_id = DeploymentId(kernel.uuids.next(kernel.now))
        if cell is None:
            candidate = self.agents.new(manifest, digest, deployment_id, sandbox=sandbox)
        else:
            candidate = handovers.successor(
                self.agents, cell, manifest, digest, deployment_id, sandbox=sandbox
            )
        deployment: Deployment[DeploymentState] = Deployment(
            id=deployment_id, agent=candidate.handle, version=manifest.version, module=digest,
            state=DeploymentState.VALIDATING, created=kernel.now, strategy=strategy,
            previous="" if cell is None else cell.manifest.version, since=kernel.now,
        )  # fmt: skip
        rollout = Rollout(deployment, manifest, sandbox, cell, claim)
        rollout.candidate = candidate
        self._publish_start(candidate, deployment)
        return rollout

    def _publish_start(self, candidate: Cell, deployment: Deployment[DeploymentState]) -> None:
        publish = self.agents.conversations.publish
        publish(AgentDeployed(candidate.address, deployment.version, deployment.module))
        publish(
            DeploymentStarted(
                deployment.id, candidate.address, deployment.version, deployment.strategy
            )
        )

    async def recover(self) -> None:
        """End the deployments that were under way when the node ended: their new versions had not been put in place."""
        for state in UNFINISHED:
            rows = await asyncio.to_thread(
                self.modules.storage.list, "deployments", {"state": state}, after=None, limit=1000
            )
            for row in rows:
                view = msgspec.json.decode(row.body, type=DeploymentView)
                cells = self.kernel.cells.values()
                done = any(cell.deployment == view.id for cell in cells)
                ended = DeploymentState.RUNNING if done else DeploymentState.FAILED
                detail = "" if done else "the node ended before the new version was in place"
                view = msgspec.structs.replace(view, state=str(ended), detail=detail)
                columns: dict[str, str | int | None] = {"agent": view.agent, "state": view.state}
                self.kernel.journal.put_row(
                    Row("deployments", view.id, columns, msgspec.json.encode(view))
                )

    # What strategies ask for

    async def _observe(self, rollout: Rollout, observation: Observation) -> None:
        """Ask the strategy what follows from an observation, and do it."""
        for effect in self.strategies[rollout.deployment.strategy].decide(
            rollout.deployment, observation
        ):
            await self._perform(rollout, effect)

    async def _perform(self, rollout: Rollout, effect: RolloutEffect) -> None:
        match effect:
            case Advance(event, detail):
                state = DEPLOYMENT.fire(rollout.deployment.state, event).unwrap()
                rollout.deployment = msgspec.structs.replace(
                    rollout.deployment, state=state, detail=detail, since=self.kernel.now
                )
                self._record(rollout)
                address = rollout.candidate.address if rollout.candidate is not None else ""
                self.agents.conversations.publish(
                    DeploymentChanged(rollout.deployment.id, address, state, detail)
                )
                if state in (DeploymentState.RUNNING, DeploymentState.FAILED):
                    self.kernel.counters.deployments[rollout.deployment.strategy, str(state)] += 1
            case StartVersion():
                fault = await self._start(rollout)
                if fault is None:
                    await self._observe(rollout, VersionStarted())
                else:
                    await self._failed(rollout, fault)
            case Promote():
                fault = await self._promote(rollout)
                if fault is None:
                    await self._observe(rollout, Promoted())
                else:
                    await self._failed(rollout, fault)
            case _:
                # With one instance per agent the traffic moves, and the version before ends, in `_promote`.
                pass

    async def _failed(self, rollout: Rollout, fault: Fault) -> None:
        rollout.failure = StartFailed(rollout.manifest.name, fault.reason, fault.detail)
        await self._observe(rollout, VersionFailed(fault.reason, fault.detail))

    async def _start(self, rollout: Rollout) -> Fault | None:
        """Start the new version's instance, for at most ten seconds."""
        candidate = rollout.candidate
        assert candidate is not None
        started: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()

        def done(fault: Fault | None) -> None:
            if not started.done():
                # The first version of an agent is in place once it has started.
                if rollout.cell is None:
                    rollout.in_place(fault)
                started.set_result(fault)

        self.agents.try_out(candidate, done)
        try:
            return await asyncio.wait_for(started, START_SECONDS)
        except TimeoutError:
            self.agents.discard(candidate)
            return Fault("time", f"it was not started within {START_SECONDS:g} s")

    async def _promote(self, rollout: Rollout) -> Fault | None:
        """Make the started instance the agent's own."""
        candidate = rollout.candidate
        assert candidate is not None
        if rollout.cell is None:
            rollout.cell = candidate
            return None
        while rollout.cell.parked:  # noqa: ASYNC110 - a step ends inside the kernel, which knows no asyncio
            await asyncio.sleep(SWAP_MS / 1000)
        ended: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()

        def done(fault: Fault | None) -> None:
            if not ended.done():
                rollout.in_place(fault)
                ended.set_result(fault)

        handovers.hand_over(self.agents, rollout.cell, candidate, done)
        return await ended

    # Rows

    def _record(self, rollout: Rollout) -> DeploymentView:
        deployment = rollout.deployment
        view = DeploymentView(
            deployment.id, rollout.manifest.name, deployment.version, deployment.module, deployment.strategy,
            str(deployment.state), deployment.detail, format_time(deployment.created), format_time(deployment.since),
        )  # fmt: skip
        columns: dict[str, str | int | None] = {"agent": view.agent, "state": view.state}
        self.kernel.journal.put_row(Row("deployments", view.id, columns, msgspec.json.encode(view)))
        return view

    async def list(self, *, limit: int, cursor: str | None) -> Page[DeploymentView]:
        """Return the deployments, oldest first."""
        await self.kernel.journal.readable()
        rows = await asyncio.to_thread(
            self.modules.storage.list, "deployments", {}, after=cursor, limit=limit + 1
        )
        views = [msgspec.json.decode(row.body, type=DeploymentView) for row in rows[:limit]]
        return Page(views, rows[limit - 1].key if len(rows) > limit else None)

    async def show(self, deployment_id: str) -> Result[DeploymentView, NotFound]:
        """Return one deployment."""
        await self.kernel.journal.readable()
        row = await asyncio.to_thread(self.modules.storage.get, "deployments", deployment_id)
        if row is None:
            return Failure(NotFound("deployment", deployment_id))
        return Success(msgspec.json.decode(row.body, type=DeploymentView))


def _no_codec(manifest: Manifest, kind: SandboxKind) -> FieldError:
    return FieldError(
        "/codec",
        f"profile {manifest.profile} takes {' or '.join(kind.codecs)}, not {manifest.codec}",
    )
