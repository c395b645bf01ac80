"""The mark of the running message survives the process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from caxton_core.errors import Unreadable
from caxton_server.runtime.attempts import Attempts

ID = bytes(range(1, 17))


def test_the_mark_survives_kill_9(tmp_path: Path) -> None:
    """A process that is killed leaves the mark of the message it was at."""
    code = f"""
import os, signal
from pathlib import Path
from caxton_server.runtime.attempts import Attempts
attempts = Attempts.open(Path({str(tmp_path / "running")!r})).unwrap()
attempts.mark(bytes(16))
attempts.mark({ID!r})
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert ended.returncode == -signal.SIGKILL
    attempts = Attempts.open(tmp_path / "running").unwrap()
    assert attempts.read_after_crash() == ID
    attempts.clear()
    assert attempts.read_after_crash() is None
    attempts.close()


def test_a_mark_is_gone_after_an_orderly_end(tmp_path: Path) -> None:
    """Closing says that nothing ran."""
    attempts = Attempts.open(tmp_path / "running").unwrap()
    assert attempts.read_after_crash() is None
    attempts.mark(ID)
    assert attempts.read_after_crash() == ID
    attempts.close()
    attempts = Attempts.open(tmp_path / "running").unwrap()
    assert attempts.read_after_crash() is None
    attempts.close()


def test_a_mark_has_sixteen_bytes(tmp_path: Path) -> None:
    """Anything else is a bug and raises."""
    attempts = Attempts.open(tmp_path / "running").unwrap()
    with pytest.raises((ValueError, IndexError)):
        attempts.mark(b"short")
    attempts.close()


def test_an_unusable_file_is_an_error(tmp_path: Path) -> None:
    """A folder in its place, or a missing folder around it, is a clear error."""
    for path in (tmp_path, tmp_path / "missing" / "running"):
        assert isinstance(Attempts.open(path).failure(), Unreadable)


def test_a_short_file_is_made_longer(tmp_path: Path) -> None:
    """A file that was cut off is repaired, not mapped beyond its end."""
    path = tmp_path / "running"
    path.write_bytes(b"abc")
    attempts = Attempts.open(path).unwrap()
    assert path.stat().st_size == 64
    attempts.close()
