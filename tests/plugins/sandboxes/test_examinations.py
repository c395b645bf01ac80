"""What the sandbox finds when it is examined: whole, and broken in each way it looks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from caxton_core.examinations import ok
from caxton_core.hookspecs import SandboxOptions
from caxton_plugins.sandboxes.wasm import caxton_sandboxes, examinations

LOOKED = ok("all", "looked at")


def test_a_sound_sandbox_is_found_sound() -> None:
    """Both engines can be built, and a compilation that wants too much memory is refused it."""
    assert [finding.status for finding in examinations.examine_profiles()] == ["ok", "ok"]
    assert examinations.examine_memory_limit().status == "ok"
    assert examinations.examine_native_path().status == "ok"


@pytest.mark.once
def test_the_limit_of_cpu_ends_a_child() -> None:
    """A child that computes is ended by its limit, for which it needs a second of CPU."""
    assert examinations.examine_cpu_limit().status in ("ok", "warn")


def test_a_profile_that_cannot_be_built_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding names it, with what the child said."""
    monkeypatch.setattr(examinations, "PROFILES", {"loose": {}})
    (finding,) = examinations.examine_profiles()
    assert (finding.name, finding.status) == ("profile loose", "fail")
    assert "loose" in finding.detail


def test_limits_that_do_not_take_hold_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that gets what it should not get, or goes on for ever, is no limit."""
    monkeypatch.setattr(examinations, "_HUNGRY", "print('got it')")
    monkeypatch.setattr(examinations, "_BUSY", "raise SystemExit(0)")
    for finding in (examinations.examine_memory_limit(), examinations.examine_cpu_limit()):
        assert finding.status == "fail"
        assert "does not take hold (a trial ended with 0)" in finding.detail
        assert finding.advice
    monkeypatch.setattr(examinations, "_TRIAL_SECONDS", 0.2)
    monkeypatch.setattr(examinations, "_BUSY", "import time; time.sleep(60)")
    assert examinations.examine_cpu_limit().status == "warn"


def library(tmp_path: Path, version: str) -> Path:
    """Write a file that says it is a native library of a version."""
    path = tmp_path / "lib.so"
    path.write_bytes(
        b"\x7fELF..." + f"version: {version}\n\nThis is a bug in Wasmtime that".encode()
    )
    return path


def test_a_library_with_a_known_flaw_fails(tmp_path: Path) -> None:
    """The flaws that guests can reach are named; without one that concerns us it is a warning, or nothing."""
    flawed = examinations.examine_library(library(tmp_path, "43.0.1"))
    assert flawed.status == "fail"
    assert "43.0.1" in flawed.detail
    assert "RUSTSEC-2026-0114" in flawed.detail
    beside = examinations.examine_library(library(tmp_path, "50.0.1"))
    assert beside.status == "warn"
    assert "can't reach" in beside.detail
    fixed = examinations.examine_library(library(tmp_path, "60.0.0"))
    assert fixed.status == "ok"
    assert "as of" in fixed.detail


def test_a_library_of_unknown_version_is_judged_by_its_distribution(tmp_path: Path) -> None:
    """And the finding says that this is where the version is from."""
    (tmp_path / "lib.so").write_bytes(b"nothing to see")
    found = examinations.examine_library(tmp_path / "lib.so")
    assert "as its distribution says" in found.detail


def test_the_plugin_offers_its_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has the kind of sandbox can have it examined, without making one."""
    monkeypatch.setattr(examinations, "examine", lambda _options: [LOOKED])
    (kind,) = caxton_sandboxes()
    assert kind.examine is not None
    assert list(kind.examine(SandboxOptions())) == [LOOKED]
