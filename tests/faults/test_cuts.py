"""A small run of `cuts`, and the rules by which a cut leaves things."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import cuts, images
from tests.faults.campaigns import Nodes
from tests.faults.disks import Disk

pytestmark = pytest.mark.once


@pytest.mark.timeout(300)
def test_a_cut_loses_nothing_that_was_acknowledged_at_disk(nodes: Nodes) -> None:
    """What was acknowledged was done once, and the rest is done when it is sent again."""
    assert cuts.run(nodes, "disk", 6, 1).lost == 0


@pytest.mark.timeout(300)
def test_a_cut_after_failed_syncs_loses_nothing_that_was_acknowledged_at_disk(nodes: Nodes) -> None:
    """A sync that failed gave up its writes for good: nobody was told that they are safe, and they are written again."""
    assert cuts.run(nodes, "disk", 3, 2, broken_syncs=True).lost == 0


@pytest.mark.timeout(300)
def test_a_cut_may_lose_what_was_acknowledged_at_process(nodes: Nodes) -> None:
    """A kill loses nothing; a cut loses the latest, which also shows that the disk is really cut."""
    assert cuts.run(nodes, "process", 4, 3).lost > 0


@pytest.mark.timeout(300)
def test_a_cut_may_lose_the_database_at_memory(nodes: Nodes) -> None:
    """What is left is a prefix, or is refused with a sentence."""
    assert cuts.run(nodes, "memory", 4, 4).lost > 0


SCRIPT = """
import os, sys
os.chdir(sys.argv[1])
def put(name, data, sync, at=0):
    file = os.open(name, os.O_RDWR | os.O_CREAT)
    os.pwrite(file, data, at)
    if sync:
        try: os.fsync(file)
        except OSError: pass
    os.close(file)
def sync_names():
    folder = os.open(".", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
put("named", b"a" * 2000, True)
put("renamed", b"r", True)
sync_names()
put("nameless", b"b", True)
put("named", b"c" * 1000, False, 1000)
os.rename("renamed", "other")
put("view-shm", b"d", True)
os.unlink("nameless")
"""


def left(tmp_path: Path, share: float, script: str = SCRIPT) -> dict[str, bytes]:
    """Run a script on a disk that writes down; return the files that a cut at its end leaves."""
    disk = Disk(tmp_path, recording=True)
    environ = {**os.environ, **disk.environ}
    subprocess.run([sys.executable, "-c", script, str(disk.data)], env=environ, check=True)
    assert disk.log is not None
    folder = images.Folder(disk.data.resolve(), None, random.Random(1))
    for entry in images.records(disk.log):
        folder.apply(entry)
    into = tmp_path / "cut"
    folder.write(into, share=share, rng=random.Random(1))
    return {path.name: path.read_bytes() for path in into.iterdir()}


def test_what_was_synced_is_left(tmp_path: Path) -> None:
    """The bytes of a file and the names of a folder, each by its own sync, and nothing of what came later."""
    assert left(tmp_path, 0.0) == {"named": b"a" * 2000, "renamed": b"r"}


def test_all_may_be_left(tmp_path: Path) -> None:
    """Then it is what the process saw, but for mapped memory."""
    assert left(tmp_path, 1.0) == {"named": b"a" * 1000 + b"c" * 1000, "other": b"r"}


def test_what_no_sync_covered_is_torn(tmp_path: Path) -> None:
    """By sectors of the disk."""
    file = left(tmp_path, 0.5)["named"]
    assert file[:1000] == b"a" * 1000
    assert b"c" in file
    assert b"a" in file[1000:]
    assert {file[1024:1536], file[1536:2000]} <= {b"a" * 512, b"c" * 512, b"a" * 464, b"c" * 464}


GIVEN_UP = """
import os, sys
file = os.open(os.path.join(sys.argv[1], "file"), os.O_RDWR | os.O_CREAT)
folder = os.open(sys.argv[1], os.O_RDONLY)
def knobs(data):
    with open(os.environ["FAULTS_CONTROL"], "r+b") as control: control.write(data)
os.write(file, b"x" * 100_000)
knobs(bytes([0, 0, 0, 0, 5, 0, 0, 0]))
try: os.fsync(file)
except OSError as error: assert error.errno == 5
else: raise SystemExit("it did not fail")
knobs(bytes(8))
os.fsync(file)
os.fsync(folder)
"""


def test_a_failed_sync_gives_up_its_writes(tmp_path: Path) -> None:
    """Even a later sync that succeeds does not know of them any more."""
    found = left(tmp_path, 1.0, GIVEN_UP)["file"]
    assert set(found) == set(b"x\0")
