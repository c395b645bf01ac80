"""A disk that fails when asked to: builds the library of disk.c, preloads it into a node, and turns its knobs."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("disk.c")
_KNOBS = struct.Struct("<IIIIQQ")


@functools.cache
def library() -> Path:
    """Build the library with the machine's compiler, or else with Zig's."""
    compiler = shutil.which("cc")
    command = [compiler] if compiler else [sys.executable, "-m", "ziglang", "cc"]
    built = Path(tempfile.mkdtemp(prefix="caxton-faults-")) / "disk.so"
    flags = ["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(built), str(SOURCE), "-ldl"]
    subprocess.run([*command, *flags], check=True, timeout=300)
    return built


class Disk:
    """The disk of one node, whose data folder is `folder / "data"`; `log` is None when nothing is written down."""

    def __init__(self, folder: Path, *, recording: bool = False) -> None:
        self.data = folder / "data"
        self.data.mkdir(mode=0o700, exist_ok=True)
        self._control = folder / "control"
        self._control.write_bytes(bytes(_KNOBS.size))
        self.log = folder / "disk.log" if recording else None
        if self.log is not None:
            self.log.write_bytes(b"")

    @property
    def environ(self) -> dict[str, str]:
        """Return what a process needs in its environment to use this disk."""
        environ = {
            "LD_PRELOAD": str(library()),
            "FAULTS_FOLDER": str(self.data.resolve()),
            "FAULTS_CONTROL": str(self._control),
        }
        return environ if self.log is None else {**environ, "FAULTS_LOG": str(self.log)}

    def turn(self, *, sync_ms: int = 0, sync_error: int = 0, write_error: int = 0) -> None:
        """Have syncs take so long from now on, and syncs and writes end with an error number; 0 is sound."""
        with self._control.open("r+b", buffering=0) as control:
            os.pwrite(control.fileno(), struct.pack("<III", sync_ms, sync_error, write_error), 0)

    @property
    def syncs(self) -> tuple[int, int]:
        """Return how many syncs there were, and how many of them failed."""
        found = _KNOBS.unpack(self._control.read_bytes())
        return found[4], found[5]


EIO, EROFS, ENOSPC = errno.EIO, errno.EROFS, errno.ENOSPC
