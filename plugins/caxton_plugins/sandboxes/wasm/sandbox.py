"""The port `Sandbox` for core modules: check in a child process, keep on disk, open in microseconds."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from caxton_core.budgets import Budget
from caxton_core.errors import InvalidModule, LimitExceeded
from caxton_core.ports import Guest, ModuleInfo
from returns.result import Failure, Result, Success
from wasmtime import WasmtimeError

from caxton_plugins.sandboxes.compilation.cache import Cache
from caxton_plugins.sandboxes.compilation.compiler import Compiler, compile_into, probe_once
from caxton_plugins.sandboxes.mappings import MAPPINGS
from caxton_plugins.sandboxes.wasm import modules
from caxton_plugins.sandboxes.wasm.engines import PROFILES, Loaded, ProfileEngine, fingerprint
from caxton_plugins.sandboxes.wasm.native import guest_class

if TYPE_CHECKING:
    from caxton_core.ids import ModuleDigest
    from caxton_core.ports import Host
    from caxton_core.resources import Limits

    from caxton_plugins.sandboxes.compilation.surveys import Survey

_IN_MEMORY: Final = 256  # modules; those that have guests stay anyway


class WasmSandbox:
    """Compiles core modules and makes guests of them. `check` may run in any thread, the rest in one."""

    name = "wasm"

    def __init__(
        self, cache: str = "", *, native: bool = True, budget: Budget | None = None
    ) -> None:
        self._budget = Budget() if budget is None else budget
        self._cache = Cache(cache, fingerprint)
        self._guest_class = guest_class(native=native)
        self._compiler = Compiler()
        self._lock = threading.RLock()
        self._engines: dict[tuple[str, bool], ProfileEngine] = {}
        self._loaded: OrderedDict[tuple[str, str], Loaded] = OrderedDict()

    def warm(self) -> None:
        """Start the compiler's process before the first module comes."""
        self._compiler.warm()

    def check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        """Validate and compile a module, keeping the result for `open`; blocks."""
        if profile not in PROFILES:
            return Failure(InvalidModule(f"there is no profile {profile}"))
        if refusal := modules.refuse_at_sight(data):
            return Failure(refusal)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        loaded = self._load(digest, profile)
        cached = isinstance(loaded, Success)
        if not cached:
            loaded = compile_into(self._cache, self._compiler, data, digest, profile).bind(
                lambda survey: self._load(digest, profile)
            )
        return loaded.map(
            lambda module: ModuleInfo(
                digest,
                len(data),
                profile,
                module.survey.exports,
                module.survey.imports,
                cached,
                module.survey.memory_minimum,
            )
        )

    def open(
        self, digest: ModuleDigest, profile: str, limits: Limits, host: Host
    ) -> Result[Guest, InvalidModule | LimitExceeded]:
        """Make an instance of a module that `check` has accepted, now or in an earlier run."""
        loaded = self._loaded.get((digest, profile))
        if loaded is None:
            found = self._load(digest, profile)
            if not isinstance(found, Success):
                return Failure(found.failure())
            loaded = found.unwrap()
        if loaded.survey.memory_minimum > limits.memory:
            return Failure(LimitExceeded("memory", limits.memory, loaded.survey.memory_minimum))
        if refused := MAPPINGS.take(loaded.engine.mappings):
            return Failure(refused)
        return Success(self._guest_class(loaded, limits, host, self._budget))

    def close(self) -> None:
        """Release engines and the child process; guests must be closed before."""
        self._compiler.close()
        with self._lock:
            self._loaded.clear()
            self._engines.clear()
        self._cache.close()

    def fuel_per_ms(self, profile: str) -> int:
        """Return how much fuel is a millisecond of CPU here."""
        return self._engine(profile).unwrap().fuel_per_ms

    def _load(self, digest: str, profile: str) -> Result[Loaded, InvalidModule]:
        """Return a module from memory or the cache."""
        key = (digest, profile)
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
                return Success(self._loaded[key])
            found = self._cache.find(digest, profile)
            if found is None:
                return Failure(InvalidModule(f"{digest} was not compiled for profile {profile}"))
            grows = found[1].grows
            return self._engine(profile, grows=grows).bind(
                lambda engine: self._link(engine, key, *found)
            )

    def _link(
        self, engine: ProfileEngine, key: tuple[str, str], code: bytes, survey: Survey
    ) -> Result[Loaded, InvalidModule]:
        try:
            loaded = Loaded(engine, code, survey)
        except WasmtimeError as error:
            self._cache.forget(*key)
            return Failure(InvalidModule(f"compiled code can't be loaded: {error}"))
        self._loaded[key] = loaded
        while len(self._loaded) > _IN_MEMORY:
            self._loaded.popitem(last=False)
        return Success(loaded)

    def _engine(self, profile: str, *, grows: bool = False) -> Result[ProfileEngine, InvalidModule]:
        """Return one of a profile's two engines; a child process builds it first."""
        with self._lock:
            if (profile, grows) not in self._engines:
                probed = probe_once(self._cache, self._compiler, profile)
                if not isinstance(probed, Success):
                    return Failure(probed.failure())
                beside = self._engines.get((profile, not grows))
                self._engines[profile, grows] = ProfileEngine(profile, grows=grows, beside=beside)
            return Success(self._engines[profile, grows])
