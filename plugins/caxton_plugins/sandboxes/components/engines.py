"""The engine for components: what it admits, and what a loaded component is.

Rules:
- Nothing crosses engines: it shares neither code nor stores with those for core modules.
- Compiled quickly rather than well (docs/adr/0009-quick-compilation-of-components.md), on all cores.
- Each memory has wasmtime's own reservation of address space: code needs no explicit checks of bounds then, which makes
  it faster and its compilation shorter, and a memory that grows is never moved. Moved, it would be copied, and its
  untouched pages no longer shared with the component's other instances.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from wasmtime import Engine
from wasmtime.component import Component, Linker

from caxton_plugins.sandboxes.compilation.engines import (
    SLICES_PER_MS,
    STACK,
    EngineSettings,
    calibrate,
)
from caxton_plugins.sandboxes.components import imports
from caxton_plugins.sandboxes.components.worlds import EXPORTS
from caxton_plugins.sandboxes.library import address

if TYPE_CHECKING:
    from caxton_plugins.sandboxes.compilation.surveys import Survey

PROFILE: Final = "component"

_OFF: Final = (
    "relaxed_simd", "simd", "threads", "tail_call", "function_references", "gc", "multi_memory", "memory64",
    "wide_arithmetic", "exceptions", "custom_page_sizes", "compact_imports", "stack_switching",
    "component_model_map", "component_model_implements", "component_model_canonical_names",
    "component_model_accessors", "component_model_more_async_builtins", "component_model_async_stackful",
    "component_model_async",
)  # fmt: skip
_ON: Final = ("reference_types", "bulk_memory", "multi_value", "component_model")
_OPTIMISE_NOT, _SINGLE_PASS = 0, 1
# Frames compiled quickly are large: in 256 KiB, Python ran out of stack while it logged a line.
_WASM_STACK: Final = 1 << 20

SETTINGS: Final = EngineSettings(
    {**dict.fromkeys(_OFF, False), **dict.fromkeys(_ON, True)},
    {
        "consume_fuel": True,
        "epoch_interruption": False,
        "gc_support": False,
        "shared_memory": False,
        "debug_info": False,
        "parallel_compilation": True,
        "memory_may_move": False,
        "memory_init_cow": True,
    },
    {
        "memory_reservation": 4 << 30,
        "memory_guard_size": 32 << 20,
        "memory_reservation_for_growth": 0,
        "async_stack_size": STACK + _WASM_STACK,
        "max_wasm_stack": _WASM_STACK,
        "cranelift_opt_level": _OPTIMISE_NOT,
        "cranelift_regalloc_algorithm": _SINGLE_PASS,
    },
)


@functools.cache
def fingerprint(_profile: str) -> str:
    """Name everything compiled code depends on."""
    return SETTINGS.fingerprint()


class ComponentEngine:
    """The engine with its imports and its measure of CPU."""

    def __init__(self) -> None:
        self.engine = Engine(SETTINGS.config())
        self.address = address(self.engine)
        self.turn = imports.Turn()
        self.linker = Linker(self.engine)
        self._kept = imports.link(self.linker, self.turn)
        self.fuel_per_ms = calibrate(self.engine)
        self.slice_fuel = self.fuel_per_ms // SLICES_PER_MS


class Loaded:
    """A compiled component, ready to be instantiated any number of times."""

    __slots__ = ("_component", "_exports", "component", "engine", "exports", "linker", "survey")

    def __init__(self, engine: ComponentEngine, descriptor: int, survey: Survey) -> None:
        self.engine, self.survey = engine, survey
        self._component = Component.deserialize_file(engine.engine, f"/proc/self/fd/{descriptor}")
        self.component, self.linker = address(self._component), address(engine.linker)
        self._exports = {name: self._component.get_export_index(name) for name in EXPORTS}
        self.exports = {name: address(index) for name, index in self._exports.items()}
