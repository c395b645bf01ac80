"""Deployments: an agent's first version and every later one, from what is asked for to the answer.

Rules:
- Nothing is made of a version whose manifest, module or memory is refused.
- Of one name only one deployment is under way.
- How a version comes into service is a rollout's business (`rollouts`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from caxton_core.deployments import Deployment, DeploymentState, Strategy
from caxton_core.documents import nearest
from caxton_core.errors import (
    AgentExists,
    Conflict,
    FieldError,
    InvalidManifest,
    InvalidModule,
    LimitExceeded,
    NotFound,
    NotImplementedYet,
    StartFailed,
    StorageError,
    UntrustedModule,
)  # fmt: skip
from caxton_core.events import AgentDeployed, DeploymentStarted
from caxton_core.ids import DeploymentId, ModuleDigest
from caxton_core.resources import Manifest
from caxton_core.views import DeployedView, DeploymentView, Page
from returns.result import Failure, Result, Success

from caxton_server.runtime import budgets, handovers, listings, rollouts
from caxton_server.runtime.cells import Cell
from caxton_server.runtime.rollouts import Rollout

if TYPE_CHECKING:
    from caxton_core.hookspecs import SandboxKind
    from caxton_core.signatures import Signature

    from caxton_server.runtime.agents import Agents
    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.keys import Claim
    from caxton_server.runtime.modules import Modules

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
            await rollout.run()
        finally:
            self.agents.reserved.discard(manifest.name)
        view = rollout.record()
        if rollout.failure is not None:
            await kernel.journal.wait(kernel.journal.position)
            return Failure(rollout.failure)
        assert rollout.cell is not None
        deployed = DeployedView(listings.agent_view(rollout.cell), view)
        if claim is not None:
            claim.settle(deployed)
        await kernel.journal.wait(kernel.journal.position)
        return Success(deployed)

    async def update(
        self,
        manifest: Manifest,
        module: bytes | None,
        *,
        signature: Signature | None = None,
        strategy: str = "direct",
        claim: Claim | None = None,
    ) -> Result[DeployedView, DeployError | NotImplementedYet]:
        """Bring another version of an agent into service; its first where there is no such agent."""
        if strategy not in self.strategies:
            return Failure(NotImplementedYet(f"the strategy {strategy}"))
        found = self.kernel.find(manifest.name)
        cell = found if isinstance(found, Cell) else None
        return await self.deploy(
            manifest, module, signature=signature, strategy=strategy, cell=cell, claim=claim
        )

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
        self._publish_start(candidate, deployment)
        return Rollout(
            self.agents, self.strategies[strategy], deployment, candidate, cell=cell, claim=claim
        )

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
                self.kernel.journal.put_row(rollouts.row(view))

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
