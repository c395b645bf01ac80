"""How a core module is compiled, in the compile service's child process."""

from __future__ import annotations

from typing import Final

from returns.result import Success
from wasmtime import Engine, Module

from caxton_plugins.sandboxes.compilation.surveys import Built, Found, JobLimits, Kind
from caxton_plugins.sandboxes.wasm import known, modules
from caxton_plugins.sandboxes.wasm.engines import config_for


def _survey(data: bytes) -> Found:
    return modules.survey(data, known.IMPORTS)


def _probe(profile: str) -> None:
    Module(Engine(config_for(profile)), b"\0asm\1\0\0\0")


def _build(data: bytes, profile: str) -> Built:
    return Success(Module(Engine(config_for(profile)), data).serialize())


KIND: Final = Kind(
    JobLimits(cpu_seconds=10, wall_seconds=13, memory=1 << 30, niceness=10), _survey, _probe, _build
)
