"""The data folder belongs to one process at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from caxton_core.errors import Locked, Unreadable
from caxton_server.runtime.folders import Folder

HOLD = """
import sys, time
from pathlib import Path
from caxton_server.runtime.folders import Folder
held = Folder.open(Path(sys.argv[1])).unwrap()
print("held", flush=True)
time.sleep(60)
"""


def test_a_folder_is_made_with_all_its_places(tmp_path: Path) -> None:
    """A folder that is not there is made, readable for its owner alone."""
    folder = Folder.open(tmp_path / "a" / "b").unwrap()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.modules.is_dir()
    assert folder.database == folder.path / "caxton.db"
    assert folder.mark.parent == folder.path
    folder.close()
    folder.close()


def test_two_processes_cannot_have_one_folder(tmp_path: Path) -> None:
    """While a process holds the folder another is told who; after kill -9 it is free at once."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        refused = Folder.open(tmp_path).failure()
        assert isinstance(refused, Locked)
        assert f"process {holder.pid} is using it" in str(refused)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    folder = Folder.open(tmp_path).unwrap()
    folder.close()


def test_one_process_cannot_have_it_twice(tmp_path: Path) -> None:
    """Two nodes in one process are kept apart as well."""
    folder = Folder.open(tmp_path).unwrap()
    assert isinstance(Folder.open(tmp_path).failure(), Locked)
    folder.close()
    Folder.open(tmp_path).unwrap().close()


def test_a_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A program started by the node and left behind does not hold the folder."""
    folder = Folder.open(tmp_path).unwrap()
    with subprocess.Popen(["sleep", "60"]) as child:
        folder.close()
        again = Folder.open(tmp_path)
        child.kill()
    again.unwrap().close()


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    """A path that is a file, or goes through one, is no data folder."""
    file = tmp_path / "file"
    file.write_text("x")
    for path in (file, file / "below"):
        assert isinstance(Folder.open(path).failure(), Unreadable)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_folder_without_permission_is_an_error(tmp_path: Path) -> None:
    """A folder that can't be written is said at once, not at the first message."""
    tmp_path.chmod(0o500)
    refused = Folder.open(tmp_path).failure()
    tmp_path.chmod(0o700)
    assert isinstance(refused, Unreadable)
