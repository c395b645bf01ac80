"""What the machine has, read from files as Linux writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from caxton_core.units import ByteSize
from caxton_server import machine


def write(path: Path, text: str) -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_lowest_limit_of_a_control_group_counts(tmp_path: Path) -> None:
    """A group inside another has no more than that one; `max` is no limit."""
    own = write(tmp_path / "own", "0::/a/b\n")
    write(tmp_path / "a" / "memory.max", "5000\n")
    write(tmp_path / "a" / "b" / "memory.max", "max\n")
    assert machine.cgroup_memory(tmp_path, own) == 5000
    write(tmp_path / "a" / "b" / "memory.max", "4000\n")
    assert machine.cgroup_memory(tmp_path, own) == 4000


def test_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    """Its memory controller has a tree of its own, and writes a huge number for no limit."""
    own = write(tmp_path / "own", "5:cpu,cpuacct:/x\n4:memory:/docker/x\n")
    write(tmp_path / "memory" / "memory.limit_in_bytes", "9223372036854771712\n")
    assert machine.cgroup_memory(tmp_path, own) is None
    write(tmp_path / "memory" / "docker" / "x" / "memory.limit_in_bytes", "7000\n")
    assert machine.cgroup_memory(tmp_path, own) == 7000


def test_a_machine_without_control_groups_has_no_such_limit(tmp_path: Path) -> None:
    """What is not there is unknown, and no error."""
    assert machine.cgroup_memory(tmp_path, tmp_path / "none") is None


def test_auto_is_a_share_of_what_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control group counts where it allows less; what is unknown limits nothing."""
    monkeypatch.setattr(machine, "physical_memory", lambda: 8 << 30)
    monkeypatch.setattr(machine, "cgroup_memory", lambda: 4 << 30)
    assert machine.node_memory("auto") == 3 << 30
    monkeypatch.setattr(machine, "cgroup_memory", lambda: None)
    assert machine.node_memory("auto") == 6 << 30
    monkeypatch.setattr(machine, "physical_memory", lambda: None)
    assert machine.node_memory("auto") is None
    assert machine.node_memory(ByteSize(0)) is None
