"""The port `Sandbox` for components: check in a child process, keep on disk, open from a nameless copy."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from caxton_core.errors import InvalidModule, LimitExceeded
from caxton_core.ports import Guest, ModuleInfo
from returns.result import Failure, Result, Success
from wasmtime import WasmtimeError

from caxton_plugins.sandboxes.compilation.cache import Cache
from caxton_plugins.sandboxes.compilation.compiler import Compiler, compile_into, probe_once
from caxton_plugins.sandboxes.components import sections
from caxton_plugins.sandboxes.components.engines import (
    PROFILE,
    ComponentEngine,
    Loaded,
    fingerprint,
)
from caxton_plugins.sandboxes.components.guest import ComponentGuest

if TYPE_CHECKING:
    from caxton_core.ids import ModuleDigest
    from caxton_core.ports import Host
    from caxton_core.resources import Limits

    from caxton_plugins.sandboxes.compilation.surveys import Survey

_IN_MEMORY: Final = 32  # components; those that have guests stay anyway


class ComponentSandbox:
    """Compiles components and makes guests of them. `check` may run in any thread, the rest in one."""

    name = "component"

    def __init__(self, cache: str = "") -> None:
        self._cache = Cache(cache, fingerprint)
        self._compiler = Compiler()
        self._lock = threading.RLock()
        self._made: ComponentEngine | None = None
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()

    def check(self, data: bytes, profile: str) -> Result[ModuleInfo, InvalidModule]:
        """Validate and compile a component, keeping the result for `open`; blocks."""
        if profile != PROFILE:
            return Failure(InvalidModule(f"there is no profile {profile}"))
        if refusal := sections.refuse_at_sight(data):
            return Failure(refusal)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        loaded = self._load(digest)
        cached = isinstance(loaded, Success)
        if not cached:
            loaded = compile_into(self._cache, self._compiler, data, digest, PROFILE).bind(
                lambda survey: self._load(digest)
            )
        return loaded.map(
            lambda found: ModuleInfo(
                digest,
                len(data),
                PROFILE,
                found.survey.exports,
                found.survey.imports,
                cached,
                found.survey.memory_minimum,
            )
        )

    def open(
        self, digest: ModuleDigest, profile: str, limits: Limits, host: Host
    ) -> Result[Guest, InvalidModule | LimitExceeded]:
        """Make an instance of a component that `check` has accepted, now or in an earlier run."""
        loaded = self._loaded.get(digest)
        if loaded is None:
            found = self._load(digest)
            if not isinstance(found, Success):
                return Failure(found.failure())
            loaded = found.unwrap()
        if loaded.survey.memory_minimum > limits.memory:
            return Failure(LimitExceeded("memory", limits.memory, loaded.survey.memory_minimum))
        return Success(ComponentGuest(loaded, limits, host))

    def close(self) -> None:
        """Release the engine and the child process; guests must be closed before."""
        self._compiler.close()
        with self._lock:
            self._loaded.clear()
            self._made = None
        self._cache.close()

    def fuel_per_ms(self, profile: str) -> int:
        """Return how much fuel is a millisecond of CPU here."""
        return self._engine().unwrap().fuel_per_ms

    def _load(self, digest: str) -> Result[Loaded, InvalidModule]:
        """Return a component from memory or the cache."""
        with self._lock:
            if digest in self._loaded:
                self._loaded.move_to_end(digest)
                return Success(self._loaded[digest])
            found = self._cache.find_file(digest, PROFILE)
            if found is None:
                return Failure(InvalidModule(f"{digest} was not compiled for profile {PROFILE}"))
            descriptor, survey = found
            try:
                return self._engine().bind(
                    lambda engine: self._link(engine, digest, descriptor, survey)
                )
            finally:
                os.close(descriptor)  # what is mapped stays

    def _link(
        self, engine: ComponentEngine, digest: str, descriptor: int, survey: Survey
    ) -> Result[Loaded, InvalidModule]:
        try:
            loaded = Loaded(engine, descriptor, survey)
        except WasmtimeError as error:
            self._cache.forget(digest, PROFILE)
            return Failure(InvalidModule(f"compiled code can't be loaded: {error}"))
        self._loaded[digest] = loaded
        while len(self._loaded) > _IN_MEMORY:
            self._loaded.popitem(last=False)
        return Success(loaded)

    def _engine(self) -> Result[ComponentEngine, InvalidModule]:
        """Return the engine; a child process builds it first."""
        with self._lock:
            if self._made is None:
                probed = probe_once(self._cache, self._compiler, PROFILE)
                if not isinstance(probed, Success):
                    return Failure(probed.failure())
                self._made = ComponentEngine()
            return Success(self._made)
