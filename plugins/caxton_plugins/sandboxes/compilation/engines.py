"""What an engine is made of: switches and numbers, all of them stated, and the measure of its CPU.

Rules:
- An engine's settings are total: nothing depends on a default of wasmtime's.
- Some combinations abort the process inside `wasm_engine_new_with_config`, so an engine is built in a child process
  before it is first built here (`compiling.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import statistics
import time
from collections.abc import Mapping
from typing import Final

import msgspec
from wasmtime import Config, Engine, Func, Linker, Module, Store, Trap, _bindings

STACK: Final = 1 << 20  # host imports run Python on it, and running out of it aborts the process
WASM_STACK: Final = 256 << 10  # what deep recursion of a guest may take of it
SLICES_PER_MS: Final = 50  # a slice is some 20 us


class EngineSettings(msgspec.Struct, frozen=True):
    """The proposals of WebAssembly an engine admits, and its other switches and numbers, by wasmtime's names."""

    proposals: Mapping[str, bool]
    switches: Mapping[str, bool]
    numbers: Mapping[str, int]

    def config(self) -> Config:
        """Build the configuration."""
        config = Config()
        pointer = config.ptr()
        for name, on in self.proposals.items():
            getattr(_bindings, f"wasmtime_config_wasm_{name}_set")(pointer, on)
        for values in (self.switches, self.numbers):
            for name, value in values.items():
                getattr(_bindings, f"wasmtime_config_{name}_set")(pointer, value)
        return config

    def fingerprint(self) -> str:
        """Name everything compiled code depends on: wasmtime, machine and settings."""
        from importlib.metadata import version  # it takes a while, and the compiler needs it not

        facts = [
            version("wasmtime"),
            platform.machine(),
            platform.system(),
            self.proposals,
            self.switches,
            self.numbers,
        ]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


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


def calibrate(engine: Engine) -> int:
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
