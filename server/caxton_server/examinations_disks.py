"""What `caxton doctor` looks at where the data folder is: rights, lock, file system, space, and how fast it is safe.

Rules:
- Nothing is changed: a file that is written to measure the disk is removed again, no folder is made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from caxton_core.examinations import Finding, fail, ok, warn

GIB: Final = 1 << 30
LEAST_SPACE: Final = 64 << 20
LITTLE_SPACE: Final = GIB
SLOW_FSYNC_MS: Final = 20.0
FSYNCS: Final = 20
NOT_DURABLE: Final = frozenset({"tmpfs", "ramfs"})
REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"})


def examine_folder(folder: Path) -> Iterator[Finding]:
    """Look at the data folder, or at the place where it would be made."""
    place = _existing(folder)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield fail("data folder", f"{folder} can't be written", "give its owner the rights to it")
        return
    yield ok("data folder", f"{folder}" + ("" if place == folder else " can be made"))
    yield examine_lock(folder)
    yield examine_file_system(place)
    yield examine_space(place)
    yield examine_fsync(place)


def examine_lock(folder: Path) -> Finding:
    """Tell whether a node uses the folder."""
    if running_on(folder):
        return warn(
            "data folder in use",
            f"a node runs on {folder}",
            "nothing, if that is the node you mean",
        )
    return ok("data folder in use", "no")


def running_on(folder: Path) -> bool:
    """Tell whether a process holds the lock of a data folder."""
    try:
        with (folder / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def examine_file_system(place: Path, mounts: Path = Path("/proc/self/mounts")) -> Finding:
    """Say whether the file system keeps what it was told to."""
    kind = file_system(place, mounts)
    if kind in NOT_DURABLE:
        advice = "put the data folder on a disk, or set storage.durability to memory"
        return warn("file system", f"{kind}: nothing survives a restart of the machine", advice)
    if kind in REMOTE:
        advice = "use a local disk: SQLite needs locks and fsync that work"
        return warn("file system", f"{kind} is over a network", advice)
    return ok("file system", kind or "unknown")


def file_system(place: Path, mounts: Path) -> str | None:
    """Return the type of the file system that a folder is on."""
    try:
        rows = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return None
    real = place.resolve()
    # The last of several mounts at one place is the one that is seen.
    kinds = {
        row[1].replace("\\040", " "): row[2]
        for row in rows
        if len(row) > 2 and real.is_relative_to(row[1].replace("\\040", " "))
    }
    return kinds[max(kinds, key=len)] if kinds else None


def examine_space(place: Path) -> Finding:
    """Say how much room the disk has."""
    free = shutil.disk_usage(place).free
    shown = f"{free / GIB:.1f} GiB free"
    if free < LEAST_SPACE:
        return fail(
            "disk space", shown, "make room: the node answers 507 when nothing can be written"
        )
    if free < LITTLE_SPACE:
        return warn("disk space", shown, "make room: the journal grows with every message")
    return ok("disk space", shown)


def examine_fsync(place: Path) -> Finding:
    """Measure how long the disk takes to make a small write safe."""
    try:
        taken = statistics.median(_fsyncs(place))
    except OSError as error:
        return fail("fsync", f"it failed: {error.strerror or error}", "use another disk")
    shown = f"{taken * 1000:.2f} ms (median of {FSYNCS})"
    if taken * 1000 > SLOW_FSYNC_MS:
        advice = (
            "use a faster disk, or storage.durability process: each acknowledgement waits for it"
        )
        return warn("fsync", shown, advice)
    return ok("fsync", shown)


def _fsyncs(place: Path) -> list[float]:
    times = []
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(FSYNCS):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return times


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return folder if place == folder.absolute() else place
