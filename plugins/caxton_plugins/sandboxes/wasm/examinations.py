"""What this sandbox looks at for `caxton doctor`: engines, the library, and whether its compiler's limits hold.

Rules:
- Everything that could end a process happens in a child.
- Limits are tried, not read: a system that accepts a limit and ignores it is found out.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from caxton_core.examinations import Finding, fail, ok, warn
from wasmtime import _ffi

from caxton_plugins.sandboxes.compilation.examinations import probes
from caxton_plugins.sandboxes.wasm import advisories
from caxton_plugins.sandboxes.wasm.building import KIND
from caxton_plugins.sandboxes.wasm.engines import PROFILES
from caxton_plugins.sandboxes.wasm.guest import WasmGuest
from caxton_plugins.sandboxes.wasm.native import API, guest_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caxton_core.hookspecs import SandboxOptions

_TRIAL_SECONDS: Final = 30
CPU_SECONDS: Final = KIND.limits.cpu_seconds
MEMORY: Final = KIND.limits.memory

# The limits are those of `compiling.limit`; only the seconds are lowered, because nobody wants to wait for ten.
_HUNGRY: Final = f"""
from caxton_plugins.sandboxes.compilation import compiling
from caxton_plugins.sandboxes.wasm.building import KIND
compiling.limit(KIND.limits)
try:
    bytearray({MEMORY})
except MemoryError:
    print("refused")
"""
_BUSY: Final = """
import resource, signal
from caxton_plugins.sandboxes.compilation import compiling
from caxton_plugins.sandboxes.wasm.building import KIND
compiling.limit(KIND.limits)
assert resource.getrlimit(resource.RLIMIT_CPU)[0] == KIND.limits.cpu_seconds
resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
signal.setitimer(signal.ITIMER_REAL, 0)
while True:
    pass
"""


def examine(options: SandboxOptions) -> Sequence[Finding]:
    """Look at everything that guests of this sandbox depend on."""
    return [
        *examine_profiles(),
        examine_library(),
        examine_memory_limit(),
        examine_cpu_limit(),
        examine_native_path(),
    ]


def examine_profiles() -> list[Finding]:
    """Build the engine of each profile in a child process."""
    return probes(PROFILES)


def examine_library(library: Path | None = None) -> Finding:
    """Compare the native library with the advisories that are known."""
    listed, distribution = advisories.shipped(), version("wasmtime")
    native = advisories.native_version(library or Path(_ffi.filename))
    found = native or advisories.parse(distribution)
    if found is None:
        return warn("wasmtime", f"{distribution} is no version", "reinstall wasmtime")
    shown = ".".join(map(str, found))
    which = (
        f"{shown} (in wasmtime-py {distribution})"
        if native
        else f"{shown}, as its distribution says"
    )
    used, unused = advisories.concerning(found)
    if used:
        named = "; ".join(f"{one.id} ({one.title})" for one in used)
        return fail("wasmtime", f"{which} has known flaws: {named}", "upgrade Caxton")
    if unused:
        parts = sorted({one.part for one in unused})
        return warn(
            "wasmtime",
            f"{which}: {len(unused)} advisories as of {listed.as_of} are for parts that guests can't reach "
            f"({', '.join(parts)}): {', '.join(one.id for one in unused)}",
            "nothing at once; upgrade Caxton when there is a release with a newer wasmtime",
        )
    return ok("wasmtime", f"{which}: no advisory is known as of {listed.as_of}")


def examine_memory_limit() -> Finding:
    """Have a child ask for as much memory as a compilation may have."""
    name = "compiler memory"
    ended = _trial(_HUNGRY)
    if ended is not None and ended.stdout.strip() == "refused":
        return ok(name, f"a compilation can't have more than {MEMORY >> 20} MiB")
    return fail(
        name,
        f"the limit of {MEMORY >> 20} MiB does not take hold ({_end(ended)})",
        "run the node where RLIMIT_AS works: a module could otherwise take all memory while it is compiled",
    )


def examine_cpu_limit() -> Finding:
    """Have a child compute until its limit of CPU time ends it."""
    name = "compiler CPU"
    ended = _trial(_BUSY)
    if ended is not None and ended.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return ok(name, f"a compilation ends after {CPU_SECONDS} s of CPU")
    if ended is None:
        busy = f"a trial had no second of CPU within {_TRIAL_SECONDS} s"
        return warn(name, busy, "try again when this machine is less busy")
    return fail(
        name,
        f"the limit of {CPU_SECONDS} s does not take hold ({_end(ended)})",
        "run the node where RLIMIT_CPU works: a module could otherwise keep a core busy for ever",
    )


def examine_native_path() -> Finding:
    """Say which of the two paths messages take."""
    compiled = guest_class(native=True) is not WasmGuest
    return ok(
        "message path",
        f"compiled (caxton-native, interface {API})" if compiled else "Python",
    )


def _trial(script: str) -> subprocess.CompletedProcess[str] | None:
    """Run a script in a child; None when it had to be killed."""
    paths = [path or "." for path in sys.path]
    try:
        return subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path[:] = {paths!r}\n{script}"],
            capture_output=True,
            text=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None


def _end(ended: subprocess.CompletedProcess[str] | None) -> str:
    if ended is None:
        return f"a trial went on for {_TRIAL_SECONDS} s"
    said = (ended.stderr.strip().splitlines() or [""])[-1]
    return f"a trial ended with {ended.returncode}" + (f": {said}" if said else "")
