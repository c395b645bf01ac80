"""The node's modules: checked and compiled by a sandbox, kept by digest.

Rules:
- A module is named by the SHA-256 of its bytes; the same bytes are kept once.
- Checking blocks for as long as compiling takes, so it happens in a thread; opening an instance later does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from caxton_core.errors import Conflict, InvalidModule, NotFound, StorageError
from caxton_core.ids import ModuleDigest
from caxton_core.ports import ModuleInfo, Row, Sandbox
from caxton_core.resources import profiles_of
from caxton_core.views import ModuleView, Page
from returns.result import Failure, Result, Success

if TYPE_CHECKING:
    from caxton_core.hookspecs import SandboxKind
    from caxton_core.ports import Storage

    from caxton_server.runtime.kernel import Kernel


class Modules:
    """Checks, keeps and finds modules."""

    def __init__(
        self,
        kernel: Kernel,
        storage: Storage,
        sandboxes: Mapping[str, Sandbox],
        profiles: Mapping[str, SandboxKind],
    ) -> None:
        self.kernel, self.storage, self.sandboxes, self.profiles = (
            kernel,
            storage,
            sandboxes,
            profiles,
        )
        self.ready: set[tuple[str, str]] = set()

    def sandbox_of(self, profile: str) -> str | None:
        """Return the name of the sandbox that runs a profile."""
        kind = self.profiles.get(profile)
        return None if kind is None else kind.name

    async def push(
        self, data: bytes, profile: str | None
    ) -> Result[ModuleView, InvalidModule | StorageError]:
        """Check a module and keep it; without a profile the strictest that admits it is taken."""
        tried: Result[ModuleInfo, InvalidModule] = Failure(
            InvalidModule("no sandbox runs any profile")
        )
        for candidate in (profile,) if profile is not None else profiles_of(data):
            tried = await self._check(data, candidate)
            if isinstance(tried, Success):
                break
        if isinstance(tried, Failure):
            return Failure(tried.failure())
        return await self._keep(tried.unwrap(), data)

    async def _check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        sandbox = self.sandbox_of(profile)
        if sandbox is None:
            return Failure(InvalidModule(f"no sandbox runs the profile {profile!r}"))
        checked = await asyncio.to_thread(self.sandboxes[sandbox].check, data, profile)
        if isinstance(checked, Success):
            self.ready.add((checked.unwrap().sha256, profile))
        return checked

    async def _keep(
        self, info: ModuleInfo, data: bytes
    ) -> Result[ModuleView, InvalidModule | StorageError]:
        view = ModuleView(
            info.sha256,
            info.size,
            info.profile,
            list(info.exports),
            list(info.imports),
            info.cached,
        )
        known = await asyncio.to_thread(self.storage.get, "modules", info.sha256)
        if known is None:
            kept = await asyncio.to_thread(self.storage.put_module, info.sha256, data)
            if isinstance(kept, Failure):
                return Failure(kept.failure())
            row = Row(
                "modules",
                info.sha256,
                {"profile": info.profile, "size": info.size},
                msgspec.json.encode(view),
            )
            await self.kernel.journal.wait(self.kernel.journal.put_row(row))
        return Success(view)

    async def load(
        self, digest: ModuleDigest, profile: str
    ) -> Result[None, InvalidModule | NotFound]:
        """Make a kept module ready to be opened under a profile."""
        if (digest, profile) in self.ready:
            return Success(None)
        data = await asyncio.to_thread(self.storage.module, digest)
        if data is None:
            return Failure(NotFound("module", digest))
        checked = await self._check(data, profile)
        return checked.map(lambda _: None)

    async def show(self, digest: str) -> Result[ModuleView, NotFound]:
        """Return one module."""
        await self.kernel.journal.readable()
        row = await asyncio.to_thread(self.storage.get, "modules", digest)
        if row is None:
            return Failure(NotFound("module", digest))
        return Success(msgspec.json.decode(row.body, type=ModuleView))

    async def list(self, *, limit: int, cursor: str | None) -> Page[ModuleView]:
        """Return the modules, by digest."""
        await self.kernel.journal.readable()
        rows = await asyncio.to_thread(
            self.storage.list, "modules", {}, after=cursor, limit=limit + 1
        )
        views = [msgspec.json.decode(row.body, type=ModuleView) for row in rows[:limit]]
        return Page(views, rows[limit - 1].key if len(rows) > limit else None)

    async def remove(self, digest: str) -> Result[None, NotFound | Conflict | StorageError]:
        """Forget a module that no agent runs."""
        shown = await self.show(digest)
        if isinstance(shown, Failure):
            return Failure(shown.failure())
        users = sorted(cell.name for cell in self.kernel.cells.values() if cell.module == digest)
        if users:
            return Failure(Conflict(f"module {digest} is run by {', '.join(users[:5])}"))
        self.ready = {key for key in self.ready if key[0] != digest}
        await self.kernel.journal.wait(
            self.kernel.journal.put_row(Row("modules", digest, {}, deleted=True))
        )
        removed = await asyncio.to_thread(self.storage.delete_module, digest)
        return removed.map(lambda _: None)
