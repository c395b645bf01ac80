"""The node's modules: checked and compiled by a sandbox, kept by digest.

Rules:
- A module is named by the SHA-256 of its bytes; the same bytes are kept once.
- Who made a module is asked before it is compiled, at each push, deploy and start; its signature is kept with it. One that
  is not trusted never replaces another.
- Checking blocks for as long as compiling takes, so it happens in a thread; opening an instance later does not.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from caxton_core.errors import (
    Conflict,
    CorruptRow,
    InvalidModule,
    NotFound,
    StorageError,
    StorageFault,
    UntrustedModule,
)
from caxton_core.ids import ModuleDigest
from caxton_core.ports import ModuleInfo, Row, Sandbox
from caxton_core.resources import profiles_of
from caxton_core.signatures import Signature
from caxton_core.views import ModuleView, Page
from returns.result import Failure, Result, Success

if TYPE_CHECKING:
    from caxton_core.hookspecs import SandboxKind
    from caxton_core.ports import Storage

    from caxton_server.runtime.kernel import Kernel
    from caxton_server.runtime.keys import Claim
    from caxton_server.runtime.signatures import Signatures


class ModuleSaved(ModuleView, frozen=True):
    """What is kept of a module: all that is shown, and its signature file."""

    signature: str = ""


class Mark(msgspec.Struct, frozen=True):
    """The signature file of a module, and the trusted key it is by."""

    signature: str = ""
    signed_by: str | None = None


class Modules:
    """Checks, keeps and finds modules."""

    def __init__(
        self,
        kernel: Kernel,
        storage: Storage,
        sandboxes: Mapping[str, Sandbox],
        profiles: Mapping[str, SandboxKind],
        signatures: Signatures,
    ) -> None:
        self.signatures = signatures
        self.kernel, self.storage, self.sandboxes, self.profiles = (
            kernel,
            storage,
            sandboxes,
            profiles,
        )
        self.ready: dict[tuple[str, str], int] = {}
        """The memory that each module begins with under a profile, once it can be opened."""

    def sandbox_of(self, profile: str) -> str | None:
        """Return the name of the sandbox that runs a profile."""
        kind = self.profiles.get(profile)
        return None if kind is None else kind.name

    async def push(
        self,
        data: bytes,
        profile: str | None,
        *,
        signature: Signature | None = None,
        agent: str | None = None,
        claim: Claim | None = None,
    ) -> Result[ModuleView, InvalidModule | UntrustedModule | NotFound | StorageError]:
        """Check a module and keep it; without a profile the strictest that admits it is taken."""
        digest = "sha256:" + (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
        mark = await self._judge(digest, data, signature, agent)
        if isinstance(mark, Failure):
            return Failure(mark.failure())
        tried: Result[ModuleInfo, InvalidModule] = Failure(
            InvalidModule("no sandbox runs any profile")
        )
        for candidate in (profile,) if profile is not None else profiles_of(data):
            tried = await self._check(data, candidate)
            if isinstance(tried, Success):
                break
        if isinstance(tried, Failure):
            return Failure(tried.failure())
        return await self._keep(tried.unwrap(), data, mark.unwrap(), claim)

    async def _judge(
        self, digest: str, data: bytes | None, given: Signature | None, agent: str | None
    ) -> Result[Mark, UntrustedModule | NotFound]:
        """Return what is to be kept as the module's signature, or the policy's refusal."""
        saved = await self._saved(digest)
        kept = "" if saved is None else saved.signature
        if not self.signatures.asked:
            return Success(Mark(kept) if given is None else Mark(str(given)))
        signature = given if given is not None or not kept else Signature.parse(kept).unwrap()
        verdict = self.signatures.known(digest, signature)
        if verdict is None:
            if data is None:
                data = await self._bytes(digest)
            if data is None:
                return Failure(NotFound("module", digest))
            verdict = await asyncio.to_thread(self.signatures.judge, digest, data, signature)
        refused = self.signatures.rule(digest, verdict, agent)
        if refused is not None:
            return Failure(refused)
        signed_by = verdict.unwrap().id if isinstance(verdict, Success) else None
        if given is not None and (signed_by is not None or not kept):
            return Success(Mark(str(given), signed_by))
        known_by = None if saved is None else saved.signed_by
        return Success(Mark(kept, signed_by if given is None else known_by))

    async def _saved(self, digest: str) -> ModuleSaved | None:
        await self.kernel.journal.readable()
        row = await asyncio.to_thread(self.storage.get, "modules", digest)
        return None if row is None else msgspec.json.decode(row.body, type=ModuleSaved)

    async def _bytes(self, digest: str) -> bytes | None:
        """Return a module's bytes; None when they are not there, or not those that the digest names."""
        try:
            return await asyncio.to_thread(self.storage.module, ModuleDigest(digest))
        except StorageFault as fault:
            if isinstance(fault.error, CorruptRow):
                return None
            raise

    async def _check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        sandbox = self.sandbox_of(profile)
        if sandbox is None:
            return Failure(InvalidModule(f"no sandbox runs the profile {profile!r}"))
        checked = await asyncio.to_thread(self.sandboxes[sandbox].check, data, profile)
        if isinstance(checked, Success):
            info = checked.unwrap()
            self.ready[info.sha256, profile] = info.memory
        return checked

    async def _keep(
        self, info: ModuleInfo, data: bytes, mark: Mark, claim: Claim | None
    ) -> Result[ModuleView, StorageError]:
        saved = ModuleSaved(
            info.sha256, info.size, info.profile, list(info.exports), list(info.imports), info.cached,
            mark.signed_by, mark.signature,
        )  # fmt: skip
        if await self._saved(info.sha256) is None:
            kept = await asyncio.to_thread(self.storage.put_module, info.sha256, data)
            if isinstance(kept, Failure):
                return Failure(kept.failure())
            self._put(saved)
        else:
            # Whoever has the bytes mends what a disk may have lost of them.
            if await self._bytes(info.sha256) != data:
                kept = await asyncio.to_thread(self.storage.put_module, info.sha256, data)
                if isinstance(kept, Failure):
                    return Failure(kept.failure())
            await self._sign(info.sha256, mark)
        view = self._view(saved)
        if claim is not None:
            claim.settle(view)
        await self.kernel.journal.wait(self.kernel.journal.position)
        return Success(view)

    async def _note(self, saved: ModuleSaved) -> None:
        """Record a module as it is, durably."""
        self._put(saved)
        await self.kernel.journal.wait(self.kernel.journal.position)

    def _put(self, saved: ModuleSaved) -> None:
        columns: dict[str, str | int | None] = {"profile": saved.profile, "size": saved.size}
        row = Row("modules", saved.sha256, columns, msgspec.json.encode(saved))
        self.kernel.journal.put_row(row)

    def _view(self, saved: ModuleSaved) -> ModuleView:
        """Show a module; a key that is not trusted any more has signed nothing."""
        by = saved.signed_by
        return ModuleView(
            saved.sha256, saved.size, saved.profile, saved.exports, saved.imports, saved.cached,
            by if by is not None and self.signatures.trust.stands(by) else None,
        )  # fmt: skip

    async def load(
        self,
        digest: ModuleDigest,
        profile: str,
        *,
        signature: Signature | None = None,
        agent: str | None = None,
    ) -> Result[None, InvalidModule | UntrustedModule | NotFound]:
        """Make a kept module ready to be opened under a profile."""
        if signature is not None or self.signatures.asked:
            mark = await self._judge(digest, None, signature, agent)
            if isinstance(mark, Failure):
                return Failure(mark.failure())
            await self._sign(digest, mark.unwrap())
        if (digest, profile) in self.ready:
            return Success(None)
        data = await self._bytes(digest)
        if data is None:
            return Failure(NotFound("module", digest))
        checked = await self._check(data, profile)
        return checked.map(lambda _: None)

    async def _sign(self, digest: str, mark: Mark) -> None:
        """Keep what was found of a known module's signature, if it is new."""
        known = await self._saved(digest)
        if known is not None and (known.signature, known.signed_by) != (
            mark.signature,
            mark.signed_by,
        ):
            await self._note(
                msgspec.structs.replace(known, signature=mark.signature, signed_by=mark.signed_by)
            )

    async def show(self, digest: str) -> Result[ModuleView, NotFound]:
        """Return one module."""
        saved = await self._saved(digest)
        return Failure(NotFound("module", digest)) if saved is None else Success(self._view(saved))

    async def list(self, *, limit: int, cursor: str | None) -> Page[ModuleView]:
        """Return the modules, by digest."""
        await self.kernel.journal.readable()
        rows = await asyncio.to_thread(
            self.storage.list, "modules", {}, after=cursor, limit=limit + 1
        )
        views = [
            self._view(msgspec.json.decode(row.body, type=ModuleSaved)) for row in rows[:limit]
        ]
        return Page(views, rows[limit - 1].key if len(rows) > limit else None)

    async def remove(self, digest: str) -> Result[None, NotFound | Conflict | StorageError]:
        """Forget a module that no agent runs."""
        shown = await self.show(digest)
        if isinstance(shown, Failure):
            return Failure(shown.failure())
        users = sorted(cell.name for cell in self.kernel.cells.values() if cell.module == digest)
        if users:
            return Failure(Conflict(f"module {digest} is run by {', '.join(users[:5])}"))
        self.ready = {key: size for key, size in self.ready.items() if key[0] != digest}
        await self.kernel.journal.wait(
            self.kernel.journal.put_row(Row("modules", digest, {}, deleted=True))
        )
        removed = await asyncio.to_thread(self.storage.delete_module, digest)
        return removed.map(lambda _: None)
