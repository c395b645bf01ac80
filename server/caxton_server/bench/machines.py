"""What the figures were measured on, and how much memory this process holds."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """Return what a figure is worth nothing without."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "wasmtime": _installed("wasmtime"),
        "native": find_spec("caxton_native") is not None,
        "caxton": _installed("caxton-server"),
    }


def resident_bytes() -> int:
    """Return the resident set size of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def proportional_bytes() -> int:
    """Return the proportional set size of this process: a page that is mapped many times is counted once.

    The instances of a component share the pages of its memory that they have not written to; each would count in the
    resident set.
    """
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        name, _, figure = line.partition(":")
        if name == "Pss":
            return int(figure.split()[0]) * 1024
    raise LookupError("Pss")


def mappings() -> int:
    """Return how many memory mappings this process has; the kernel limits them (vm.max_map_count)."""
    with open("/proc/self/maps", "rb") as lines:
        return sum(1 for _ in lines)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _installed(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
