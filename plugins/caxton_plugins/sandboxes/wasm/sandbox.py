"""The port `Sandbox` for core modules."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from caxton_core.errors import InvalidModule, LimitExceeded
from caxton_core.ports import Guest, ModuleInfo
from returns.result import Failure, Result, Success
from wasmtime import Module, WasmtimeError

from caxton_plugins.sandboxes.wasm import imports, modules, wasi
from caxton_plugins.sandboxes.wasm.engines import Loaded, ProfileEngine
from caxton_plugins.sandboxes.wasm.guest import WasmGuest

if TYPE_CHECKING:
    from caxton_core.ids import ModuleDigest
    from caxton_core.ports import Host
    from caxton_core.resources import Limits

KNOWN = {
    "caxton": {name: row[:2] for name, row in imports.CAXTON.items()},
    "wasi_snapshot_preview1": {name: row[:2] for name, row in wasi.WASI.items()},
}


class WasmSandbox:
    """Compiles core modules and makes guests of them."""

    name = "wasm"

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache or Path(tempfile.mkdtemp(prefix="caxton-"))
        self._engines: dict[str, ProfileEngine] = {}
        self._loaded: dict[tuple[str, str], Loaded] = {}

    def _engine(self, profile: str) -> ProfileEngine:
        if profile not in self._engines:
            self._engines[profile] = ProfileEngine(profile)
        return self._engines[profile]

    def check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        """Validate and compile a module, keeping the result for `open`."""
        found = modules.survey(data, KNOWN)
        if not isinstance(found, Success):
            return Failure(found.failure())
        survey = found.unwrap()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        engine = self._engine(profile)
        try:
            code = Module(engine.engine, data).serialize()
        except WasmtimeError as error:
            return Failure(InvalidModule(str(error)))
        path = self._cache / f"{digest[7:]}-{profile}.cwasm"
        path.write_bytes(code)
        self._loaded[digest, profile] = Loaded(engine, path, survey)
        return Success(
            ModuleInfo(digest, len(data), profile, survey.exports, survey.imports, False)
        )

    def open(
        self, digest: ModuleDigest, profile: str, limits: Limits, host: Host
    ) -> Result[Guest, InvalidModule | LimitExceeded]:
        """Make an instance of a module that `check` has accepted."""
        loaded = self._loaded.get((str(digest), profile))
        if loaded is None:
            return Failure(InvalidModule(f"{digest} was not checked"))
        if loaded.memory_minimum > limits.memory:
            return Failure(LimitExceeded("memory", limits.memory, loaded.memory_minimum))
        return Success(WasmGuest(loaded, limits, host))

    def close(self) -> None:
        """Release engines."""
        self._loaded.clear()
        self._engines.clear()
