"""Whether the engines that guests run on can be built here, for `caxton doctor`.

Rules:
- What could end a process happens in a child.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core.examinations import Finding, fail, ok
from returns.result import Success

from caxton_plugins.sandboxes.compilation.compiler import Compiler

if TYPE_CHECKING:
    from collections.abc import Iterable


def probes(profiles: Iterable[str]) -> list[Finding]:
    """Build the engine of each profile in a child process."""
    compiler, found = Compiler(), []
    try:
        for profile in profiles:
            name = f"profile {profile}"
            probe = compiler.probe(profile)
            if isinstance(probe, Success):
                found.append(ok(name, "its engine can be built"))
            else:
                advice = (
                    "install exactly the release of wasmtime that Caxton asks for, for this machine"
                )
                found.append(fail(name, probe.failure().detail, advice))
    finally:
        compiler.close()
    return found
