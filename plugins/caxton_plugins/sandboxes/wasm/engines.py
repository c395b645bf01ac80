"""The two engines for core modules: what each profile admits, and what a loaded module is.

Rules:
- A profile is a total list of switches: nothing depends on a default of wasmtime's.
- Some combinations abort the process inside `wasm_engine_new_with_config`, so a profile is built in a child process
  before it is first built here (`compiler.py`).
- Both profiles: fuel on, no address space reserved (an idle agent costs its pages), Cranelift in one thread.
- A memory that can grow gets room to grow in, address space and no more: without it each `memory.grow` copies the whole
  memory, for next to no fuel and without an end to the slice. So such modules have an engine of their own.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import platform
import statistics
import time
from typing import TYPE_CHECKING, Final

from wasmtime import Config, Engine, Func, Linker, Module, Store, Trap, _bindings

from caxton_plugins.sandboxes.wasm import calls, imports, wasi
from caxton_plugins.sandboxes.wasm.calls import MAPPINGS_EACH

if TYPE_CHECKING:
    from caxton_plugins.sandboxes.wasm.modules import Survey

STACK: Final = 1 << 20  # host imports run Python on it, and running out of it aborts the process
WASM_STACK: Final = 256 << 10  # what deep recursion of a guest may take of it
TABLE_ELEMENTS: Final = 10_000
SLICES_PER_MS: Final = 50  # a slice is some 20 us
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
    config = Config()
    pointer = config.ptr()
    for name, on in PROFILES[profile].items():
        getattr(_bindings, f"wasmtime_config_wasm_{name}_set")(pointer, on)
    for name, on in _SWITCHES.items():
        getattr(_bindings, f"wasmtime_config_{name}_set")(pointer, on)
    for name, number in _NUMBERS.items():
        getattr(_bindings, f"wasmtime_config_{name}_set")(pointer, number)
    if growth:
        _bindings.wasmtime_config_memory_reservation_for_growth_set(pointer, growth)
    return config


@functools.cache
def fingerprint(profile: str) -> str:
    """Name everything compiled code depends on: wasmtime, machine and configuration."""
    from importlib.metadata import version  # it takes a while, and the compiler needs it not

    facts = [
        version("wasmtime"),
        platform.machine(),
        platform.system(),
        PROFILES[profile],
        _SWITCHES,
        _NUMBERS,
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


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
        self.fuel_per_ms: int = _calibrate(self.engine) if beside is None else beside.fuel_per_ms
        self.slice_fuel = self.fuel_per_ms // SLICES_PER_MS


_LOOPS: Final = """(module
  (memory 1)
  (func (export "count") (param i32)
    (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "store") (param i32) (local i32)
    (loop
      (local.set 1 (i32.add (i32.load (i32.and (local.get 0) (i32.const 65532))) (local.get 1)))
      (i32.store (i32.and (local.get 1) (i32.const 65532)) (local.get 0))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func $one (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)))
  (func (export "call") (param i32)
    (loop (br_if 0 (local.tee 0 (call $one (local.get 0)))))))"""
_RUN_FUEL: Final = 1_000_000
_RUNS: Final = 5


def _calibrate(engine: Engine) -> int:
    """Measure how much fuel a mix of loops burns in a millisecond: the median of short runs of each."""
    module = Module(engine, _LOOPS)
    seconds = 0.0
    kinds = ("count", "store", "call")
    for kind in kinds:
        times = []
        for _ in range(_RUNS):
            store = Store(engine)
            store.set_fuel(_RUN_FUEL)
            run = Linker(engine).instantiate(store, module).exports(store)[kind]
            assert isinstance(run, Func)
            began = time.perf_counter()
            with contextlib.suppress(Trap):  # it ends by running out of fuel
                run(store, -1)
            times.append(time.perf_counter() - began)
        seconds += statistics.median(times)
    return max(100_000, min(50_000_000, int(len(kinds) * _RUN_FUEL / seconds / 1000)))
