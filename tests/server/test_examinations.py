"""What the machine is found to be like: each look at something sound, and at something that is not."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import pytest
from caxton_core.units import ByteSize
from caxton_server import examinations, examinations_disks, machine
from caxton_server.config import Config, data_url
from caxton_server.config_sections import RuntimeConfig, ServerConfig, StorageConfig

GIB = 1 << 30


def config(folder: Path | None = None, *, memory: int | None = None) -> Config:
    """Return a configuration whose ports are free."""
    url = "memory:" if folder is None else data_url(folder)
    return Config(
        server=ServerConfig(port=0, metrics_port=None),
        storage=StorageConfig(url=url),
        runtime=RuntimeConfig(node_memory=None if memory is None else ByteSize(memory)),
    )


def test_everything_is_looked_at_and_nothing_is_made(tmp_path: Path) -> None:
    """Each finding has a name of its own, what is not ok has advice, and the folder is as it was."""
    folder = tmp_path / "not" / "yet"
    findings = list(examinations.examine(config(folder)))
    assert len({finding.name for finding in findings}) == len(findings) > 12
    assert all(finding.advice for finding in findings if finding.status != "ok")
    assert list(tmp_path.iterdir()) == []
    assert "can be made" in next(f.detail for f in findings if f.name == "data folder")
    in_memory = [f.name for f in examinations.examine(config())]
    assert "fsync" not in in_memory


def test_versions_that_are_not_tested_fail() -> None:
    """An older or newer Python, and a SQLite that lacks what is used."""
    assert examinations.examine_python((3, 11)).status == "ok"
    assert examinations.examine_python((3, 10)).status == "fail"
    assert examinations.examine_python((3, 14)).status == "fail"
    assert examinations.examine_sqlite().status == "ok"
    assert examinations.examine_sqlite((3, 34, 1)).status == "fail"


def test_a_folder_that_a_node_uses_is_told(tmp_path: Path) -> None:
    """The lock says so; looking at it takes nothing from anybody."""
    assert not examinations_disks.running_on(tmp_path)
    with (tmp_path / "lock").open("w") as lock:
        assert not examinations_disks.running_on(tmp_path)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert examinations_disks.running_on(tmp_path)
        assert examinations_disks.examine_lock(tmp_path).status == "warn"


def test_a_folder_that_cannot_be_written_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is all that is said of it; a file in its place is no better."""
    file = tmp_path / "file"
    file.touch()
    assert [f.status for f in examinations_disks.examine_folder(file)] == ["fail"]
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert [f.status for f in examinations_disks.examine_folder(tmp_path)] == ["fail"]


def test_the_file_system_is_the_nearest_mount(tmp_path: Path) -> None:
    """Memory and networks are warned of; names with blanks are written as Linux writes them."""
    place = tmp_path / "a b" / "data"
    place.mkdir(parents=True)
    mounts = tmp_path / "mounts"
    inner = str(tmp_path / "a b").replace(" ", "\\040")

    def found(kind: str) -> str:
        mounts.write_text(f"dev / ext4 rw 0 0\nx {inner} {kind} rw 0 0\ny /elsewhere nfs rw 0 0\n")
        return examinations_disks.examine_file_system(place, mounts).status

    assert (found("xfs"), found("tmpfs"), found("nfs4")) == ("ok", "warn", "warn")
    assert examinations_disks.file_system(place, mounts) == "nfs4"
    assert examinations_disks.file_system(tmp_path, mounts) == "ext4"
    assert examinations_disks.file_system(place, tmp_path / "none") is None


class Usage(NamedTuple):
    """What shutil.disk_usage returns."""

    total: int
    used: int
    free: int


def test_little_room_is_a_warning_and_none_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gibibyte is little, and 64 mebibytes are too little."""
    found = []
    for free in (2 * GIB, GIB - 1, 1 << 20):
        usage = Usage(10 * GIB, 0, free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, u=usage: u)
        found.append(examinations_disks.examine_space(tmp_path).status)
    assert found == ["ok", "warn", "fail"]


def test_a_slow_or_broken_disk_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The median of several writes counts."""
    monkeypatch.setattr(examinations_disks, "_fsyncs", lambda _place: [0.001, 0.001, 9.0])
    assert examinations_disks.examine_fsync(tmp_path).status == "ok"
    monkeypatch.setattr(examinations_disks, "_fsyncs", lambda _place: [0.03, 0.03, 0.03])
    assert examinations_disks.examine_fsync(tmp_path).status == "warn"
    assert examinations_disks.examine_fsync(tmp_path / "none").status == "warn"
    monkeypatch.undo()
    assert examinations_disks.examine_fsync(tmp_path / "none").status == "fail"


def test_a_clock_that_cannot_be_true_fails() -> None:
    """1970 is before this program was written; whether a clock is synchronized the kernel says."""
    assert examinations.examine_wall_clock().status == "ok"
    assert examinations.examine_wall_clock(lambda: 0.0).status == "fail"
    assert examinations.examine_monotonic_clock().status == "ok"
    assert examinations.examine_synchronization(lambda: 0x2001).status == "ok"
    assert examinations.examine_synchronization(lambda: 0x2041).status == "warn"
    assert "unknown" in examinations.examine_synchronization(lambda: None).detail


def test_memory_is_compared_with_the_limit_of_all_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit, and one above what there is, are warnings."""
    monkeypatch.setattr(machine, "physical_memory", lambda: 8 * GIB)
    monkeypatch.setattr(machine, "cgroup_memory", lambda: 4 * GIB)
    found = [examinations.examine_memory(config(memory=size)) for size in (2 * GIB, 6 * GIB, None)]
    assert [finding.status for finding in found] == ["ok", "warn", "warn"]
    assert "control group" in found[0].detail


def test_limits_of_the_process_are_said_in_what_they_allow(tmp_path: Path) -> None:
    """Few open files or mappings are warnings that say how to get more."""
    assert examinations.examine_open_files((4096, 4096)).status == "ok"
    assert examinations.examine_open_files((resource.RLIM_INFINITY, -1)).status == "ok"
    few = examinations.examine_open_files((1024, 524288))
    assert few.status == "warn"
    assert "524288" in few.advice
    (tmp_path / "maps").write_text("65530\n")
    assert examinations.examine_mappings(tmp_path / "maps").status == "warn"
    (tmp_path / "maps").write_text("1048576\n")
    assert examinations.examine_mappings(tmp_path / "maps").status == "ok"
    assert "unknown" in examinations.examine_mappings(tmp_path / "none").detail


def test_a_port_that_is_taken_fails_unless_a_node_runs(tmp_path: Path) -> None:
    """Then it is that node's."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        taken = examinations.examine_port("metrics port", "127.0.0.1", port, ours=False)
        assert taken.status == "fail"
        assert "server.metrics_port" in taken.advice
        assert examinations.examine_port("port", "127.0.0.1", port, ours=True).status == "ok"
    assert examinations.examine_port("port", "127.0.0.1", port, ours=False).status == "ok"
    assert examinations.examine_port("port", "192.0.2.1", 1, ours=False).status == "fail"
