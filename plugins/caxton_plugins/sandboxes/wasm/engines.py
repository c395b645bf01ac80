"""The two engines for core modules: what each profile admits, and what a loaded module is.

Rules:
- Both profiles: fuel on, no address space reserved (an idle agent costs its pages), Cranelift in one thread.
- A memory that can grow gets room to grow in, address space and no more: without it each `memory.grow` copies the whole
  memory, for next to no fuel and without an end to the slice. So such modules have an engine of their own.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from wasmtime import Engine, Linker, Module, _bindings

from caxton_plugins.sandboxes.compilation.engines import (
    SLICES_PER_MS,
    STACK,
    WASM_STACK,
    EngineSettings,
    calibrate,
)
from caxton_plugins.sandboxes.wasm import calls, imports, wasi
from caxton_plugins.sandboxes.wasm.calls import MAPPINGS_EACH

if TYPE_CHECKING:
    from wasmtime import Config

    from caxton_plugins.sandboxes.compilation.surveys import Survey

TABLE_ELEMENTS: Final = 10_000
GROWTH: Final = 1 << 30
"""How far a memory grows before it must move; code does not depend on it, so either engine runs what was compiled once."""

_OFF: Final = (
    "relaxed_simd", "simd", "threads", "tail_call", "function_references", "gc", "multi_memory", "memory64",
    "wide_arithmetic", "exceptions", "custom_page_sizes", "compact_imports", "stack_switching",
    "component_model_async", "component_model",
)  # fmt: skip

_COMPILERS: Final = ("reference_types", "bulk_memory", "multi_value")
"""What LLVM, Zig, Rust and AssemblyScript emit unasked. SIMD is not among it, and a rich source of compiler bugs."""

PROFILES: Final[dict[str, dict[str, bool]]] = {
    "strict": dict.fromkeys((*_OFF, *_COMPILERS), False),
    "standard": {name: name in _COMPILERS for name in (*_OFF, *_COMPILERS)},
}

_NUMBERS: Final = {
    "memory_reservation": 0,
    "memory_guard_size": 0,
    "memory_reservation_for_growth": 0,
    "async_stack_size": STACK,
    "max_wasm_stack": WASM_STACK,
}
_SWITCHES: Final = {
    "consume_fuel": True,
    "epoch_interruption": False,
    "gc_support": False,
    "shared_memory": False,
    "debug_info": False,
    "parallel_compilation": False,
    "memory_may_move": True,
}


def config_for(profile: str, *, growth: int = 0) -> Config:
    """Build the configuration of a profile, with so much address space for a memory to grow in."""
    config = _settings(profile).config()
    if growth:
        _bindings.wasmtime_config_memory_reservation_for_growth_set(config.ptr(), growth)
    return config


@functools.cache
def fingerprint(profile: str) -> str:
    """Name everything a profile's compiled code depends on."""
    return _settings(profile).fingerprint()


def _settings(profile: str) -> EngineSettings:
    return EngineSettings(PROFILES[profile], _SWITCHES, _NUMBERS)


class Loaded:
    """A compiled module, linked and ready to be instantiated any number of times."""

    __slots__ = ("_module", "_pre", "engine", "entries", "pre", "survey")

    def __init__(self, engine: ProfileEngine, code: bytes, survey: Survey) -> None:
        self.engine = engine
        self.survey = survey
        self.entries = ("memory", *(name for name in calls.ENTRIES if name in survey.exports))
        self._module = Module.deserialize(engine.engine, code)
        self._pre = engine.linker.instantiate_pre(self._module)
        self.pre = calls.address(self._pre)


class ProfileEngine:
    """An engine with its imports and its measure of CPU; `beside` is the profile's other one, whose measure it takes."""

    def __init__(self, profile: str, *, grows: bool, beside: ProfileEngine | None = None) -> None:
        self.profile = profile
        self.engine = Engine(config_for(profile, growth=GROWTH if grows else 0))
        self.mappings = MAPPINGS_EACH + grows  # room to grow in is a mapping beside the memory's
        self.address = calls.address(self.engine)
        self.table_limit = TABLE_ELEMENTS
        self.turn = imports.Turn()
        self.linker = Linker(self.engine)
        self._kept = [
            *imports.link(self.linker, self.turn, "caxton", imports.CAXTON),
            *imports.link(self.linker, self.turn, "wasi_snapshot_preview1", wasi.WASI),
        ]
        self.fuel_per_ms: int = calibrate(self.engine) if beside is None else beside.fuel_per_ms
        self.slice_fuel = self.fuel_per_ms // SLICES_PER_MS
