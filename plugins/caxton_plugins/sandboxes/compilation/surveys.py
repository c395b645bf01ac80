"""What a walk through a module found, and what a kind of module is to the compile service.

Rules:
- A survey is kept beside the compiled code and believed as much as that code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec
from caxton_core.errors import InvalidModule
from returns.result import Result


class Survey(msgspec.Struct, frozen=True):
    """What a module asks for and offers."""

    exports: tuple[str, ...]
    imports: tuple[str, ...]
    memory_minimum: int
    grows: bool
    """False when no `memory.grow` is in its code: then its memory stays where it is."""
    functions: int


Found: TypeAlias = Result[Survey, InvalidModule]
Built: TypeAlias = Result[bytes | bytearray, InvalidModule]


class JobLimits(msgspec.Struct, frozen=True):
    """What compiling one module may take: seconds of CPU, seconds until it is given up, and bytes."""

    cpu_seconds: int
    wall_seconds: int
    memory: int
    niceness: int


class Kind(msgspec.Struct, frozen=True):
    """A kind of module: its limits, the walk before it is compiled, its engine's probe, and its compilation."""

    limits: JobLimits
    survey: Callable[[bytes], Found]
    probe: Callable[[str], None]
    """Build a profile's engine; it breaks the process where that can't be done."""
    build: Callable[[bytes, str], Built]
    """Compile for a profile; wasmtime's errors are the caller's."""
