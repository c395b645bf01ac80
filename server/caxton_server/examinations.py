"""What `caxton doctor` looks at on the machine itself: Python, SQLite, clock, memory, limits, ports; and the disk.

Rules:
- Each look is a function that returns its finding; none raises for what a machine may be like.
- A figure that can't be had here is said to be unknown, and is no failure.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from caxton_core.examinations import Finding, fail, ok, warn

from caxton_server import machine
from caxton_server.config import Config
from caxton_server.examinations_disks import examine_folder, running_on

GIB: Final = 1 << 30
OPEN_FILES: Final = 4096
MAPPINGS: Final = 262_144
PYTHONS: Final = ((3, 11), (3, 14))
SQLITE: Final = (3, 35, 0)
"""RETURNING and UPSERT are used; every Python we run on comes with a newer one."""
EARLIEST: Final = 1_767_225_600  # 2026: this program was not written before
_UNSYNCHRONIZED: Final = 0x40  # STA_UNSYNC of adjtimex(2)


def examine(config: Config) -> Iterator[Finding]:
    """Look at everything that a node with this configuration needs of the machine."""
    yield examine_python()
    yield examine_sqlite()
    folder = config.storage.folder()
    if folder is None:
        yield ok("data folder", "none: everything is kept in memory")
    else:
        yield from examine_folder(folder)
    yield examine_monotonic_clock()
    yield examine_wall_clock()
    yield examine_synchronization()
    yield examine_memory(config)
    yield examine_processors()
    yield examine_open_files()
    yield examine_mappings()
    yield from examine_ports(config)


def examine_python(found: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Compare Python with the versions that are tested."""
    name, shown = "python", sys.version.split()[0]
    least, beyond = PYTHONS
    if least <= found < beyond:
        return ok(name, shown)
    wanted = f"use Python {least[0]}.{least[1]} to {beyond[0]}.{beyond[1] - 1}"
    return fail(name, f"{shown} is not among the versions that are tested", wanted)


def examine_sqlite(found: tuple[int, int, int] = sqlite3.sqlite_version_info) -> Finding:
    """Compare SQLite with what the storage asks of it."""
    shown = ".".join(map(str, found))
    if found < SQLITE:
        wanted = "use a Python that was built with " + ".".join(map(str, SQLITE)) + " or later"
        return fail("sqlite", f"{shown} is too old", wanted)
    if sqlite3.threadsafety < 1:
        return fail("sqlite", f"{shown} is built for one thread", "use another build of Python")
    return ok("sqlite", shown)


# The clock


def examine_monotonic_clock() -> Finding:
    """Say how fine the clock of timers is."""
    resolution = time.get_clock_info("monotonic").resolution
    shown = f"resolution {resolution * 1e9:g} ns"
    if resolution > 0.001:
        return warn("monotonic clock", shown, "timers and limits of time are no finer than that")
    return ok("monotonic clock", shown)


def examine_wall_clock(now: Callable[[], float] = time.time) -> Finding:
    """Say whether the time of day can be true."""
    at = now()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    if at < EARLIEST:
        return fail(
            "wall clock", f"{shown} is in the past", "set the clock: deadlines depend on it"
        )
    return ok("wall clock", shown)


def examine_synchronization(state: Callable[[], int | None] | None = None) -> Finding:
    """Say whether the kernel believes its clock is synchronized."""
    name, status = "clock synchronization", (state or clock_status)()
    if status is None:
        return ok(name, "unknown on this system")
    if status & _UNSYNCHRONIZED:
        advice = "run chrony or another NTP client: deadlines are compared between machines"
        return warn(name, "the kernel's clock is not synchronized", advice)
    return ok(name, "the kernel's clock is synchronized")


def clock_status() -> int | None:
    """Return the status bits of adjtimex(2), asked without changing anything; None where there is none."""
    try:
        asked = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    # struct timex of 64-bit Linux: `modes` (0: only read) comes first, `status` after four longs.
    timex = (ctypes.c_uint8 * 512)()
    if sys.maxsize < 1 << 32 or asked(timex) < 0:
        return None
    return int.from_bytes(bytes(timex[40:44]), "little")


# Memory and limits


def examine_memory(config: Config) -> Finding:
    """Compare the limit of all agents with what the machine has."""
    name, usable = "memory", machine.usable_memory()
    limit = machine.node_memory(config.runtime.node_memory)
    if usable is None:
        return ok(name, "unknown on this system")
    grouped = machine.cgroup_memory()
    shown = f"{usable / GIB:.1f} GiB" + (" in the control group" if grouped == usable else "")
    if limit is None:
        advice = "set runtime.node_memory: agents may grow until the kernel ends the node"
        return warn(name, f"{shown}; no limit for all agents together", advice)
    shown = f"{shown}; all agents may have {limit / GIB:.1f} GiB"
    if limit > usable:
        return warn(
            name, shown, "set a lower runtime.node_memory, or know that much is never touched"
        )
    return ok(name, shown)


def examine_processors() -> Finding:
    """Say how many cores the node can use; one is for the agents, a second for the compiler and the disk."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores == 1:
        advice = (
            "give it two: compiling a module and the writer of the journal compete with the agents"
        )
        return warn("processors", "1", advice)
    return ok("processors", str(cores))


def examine_open_files(limits: tuple[int, int] | None = None) -> Finding:
    """Say how many connections the process may have."""
    soft, hard = limits or resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        advice = f"`ulimit -n {OPEN_FILES}`, or LimitNOFILE= of the service (at most {hard} here)"
        return warn("open files", f"{soft}: each connection takes one", advice)
    return ok("open files", "no limit" if soft == resource.RLIM_INFINITY else str(soft))


def examine_mappings(path: Path = Path("/proc/sys/vm/max_map_count")) -> Finding:
    """Say how many mappings the process may have; each running agent takes up to three."""
    most = machine.number_in(path)
    if most is None:
        return ok("memory mappings", "unknown on this system")
    shown = f"vm.max_map_count is {most}, enough for about {most // 3:,} agents"
    if most < MAPPINGS:
        return warn("memory mappings", shown, f"`sysctl -w vm.max_map_count={MAPPINGS}` for more")
    return ok("memory mappings", shown)


# The network


def examine_ports(config: Config) -> Iterator[Finding]:
    """Try to listen where the node would."""
    folder = config.storage.folder()
    ours = folder is not None and running_on(folder)
    server = config.server
    for name, port in (("port", server.port), ("metrics port", server.metrics_port)):
        if port is None:
            yield ok(name, "off")
        elif port == 0:
            yield ok(name, "any free one")
        else:
            yield examine_port(name, server.host, port, ours=ours)


def examine_port(name: str, host: str, port: int, *, ours: bool) -> Finding:
    """Try to listen on one port; `ours` says that a node already runs, which then has it."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(1)
    except OSError as error:
        why = f"{host}:{port}: {error.strerror or error}"
        if ours:
            return ok(name, f"{why}: a node runs here")
        return fail(name, why, f"end what uses it, or set another server.{name.replace(' ', '_')}")
    return ok(name, f"{host}:{port} is free")
