"""What this machine lets the process have: memory, open files, mappings; read, never changed.

Rules:
- What can't be known here (another system, a file that may not be read) is None, never a guess.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

from caxton_core.units import ByteSize

SHARE: Final = 0.75
"""What of the machine's memory all guests may have when nobody says otherwise."""

_CGROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT: Final = 1 << 60


def physical_memory() -> int | None:
    """Return the machine's memory in bytes."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def cgroup_memory(root: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return the lowest limit that a control group, of either version, sets to this process's memory."""
    found: list[int] = []
    for line in _lines(own):
        _, kinds, path = line.split(":", 2)
        if kinds == "":
            folder, name = root, "memory.max"
        elif "memory" in kinds.split(","):
            folder, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        # Inside a container the path is often that of the host, and only the root is to be seen.
        inner = [part for part in path.split("/") if part and part != ".."]
        for depth in range(len(inner) + 1):
            limit = number_in(folder.joinpath(*inner[:depth], name))
            if limit is not None and limit < _NO_LIMIT:
                found.append(limit)
    return min(found, default=None)


def usable_memory() -> int | None:
    """Return the memory that this process can have: the machine's, or less in a control group."""
    known = [size for size in (physical_memory(), cgroup_memory()) if size is not None]
    return min(known, default=None)


def node_memory(setting: ByteSize | Literal["auto"] | None) -> int | None:
    """Return the limit that the setting `runtime.node_memory` stands for; None is none.

    >>> node_memory(ByteSize(4 << 30)), node_memory(ByteSize(0)), node_memory(None)
    (4294967296, None, None)
    """
    if setting == "auto":
        usable = usable_memory()
        return None if usable is None else int(usable * SHARE)
    return setting or None


def number_in(path: Path) -> int | None:
    """Return the number that is all a file of the system holds."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line.count(":") >= 2]
    except OSError:
        return []
