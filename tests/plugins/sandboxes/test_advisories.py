"""The shipped list of advisories: sound in itself, and applied to the library that really runs."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest
from caxton_plugins.sandboxes.wasm.advisories import (
    Advisory,
    affects,
    allows,
    concerning,
    native_version,
    shipped,
)
from wasmtime import _ffi


def test_every_entry_can_be_applied() -> None:
    """Ids are unique, dates are not after the list's, and each range is read without an error."""
    listed = shipped()
    assert len({one.id for one in listed.advisories}) == len(listed.advisories) > 40
    for one in listed.advisories:
        assert re.fullmatch(r"RUSTSEC-\d{4}-\d{4}|GHSA(-[a-z0-9]{4}){3}", one.id)
        assert "2025" <= one.date <= listed.as_of
        assert one.patched
        affects(one, (50, 0, 0))


def test_the_list_says_where_it_is_from() -> None:
    """Its date, source and gaps are part of it."""
    listed = shipped()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", listed.as_of)
    assert "RustSec" in listed.source
    assert listed.gaps


@pytest.mark.parametrize(
    ("version", "inside"),
    [
        ((36, 0, 6), False),
        ((36, 0, 7), True),
        ((36, 9, 0), True),
        ((37, 0, 0), False),
        ((43, 0, 1), True),
        ((43, 0, 0), False),
        ((100, 0, 0), True),
        ((9, 9, 9), False),
    ],
)
def test_versions_compare_as_numbers(version: tuple[int, int, int], inside: bool) -> None:
    """Patched in one of several lines is patched; 100 is above 43, and 9 below."""
    ranges = (">= 36.0.7, < 37.0.0", ">= 43.0.1")
    assert any(allows(range_, version) for range_ in ranges) is inside
    advisory = Advisory("X", (), "2026-01-01", "title", "core", ranges, ("< 9.0.0",))
    assert affects(advisory, version) is not inside


@pytest.mark.parametrize("range_", ["", "36.0.7", "> 36.0.7", ">= 36.0", ">= 36.0.7; < 37.0.0"])
def test_what_is_no_range_is_no_answer(range_: str) -> None:
    """A range that is not understood must not pass for safe."""
    with pytest.raises(ValueError, match="no range"):
        allows(range_, (1, 0, 0))


def test_advisories_are_told_apart_by_the_part_they_concern(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A flaw of one machine's code generator concerns that machine, and WASI concerns nobody here."""
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    used, unused = concerning((43, 0, 0))
    assert {"RUSTSEC-2026-0096", "RUSTSEC-2026-0114"} <= {one.id for one in used}
    assert {"wasi", "winch"} <= {one.part for one in unused}
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert "RUSTSEC-2026-0096" not in {one.id for one in concerning((43, 0, 0))[0]}


def test_the_library_in_use_has_no_known_flaw_that_guests_reach() -> None:
    """The version is read from the native library itself, and the list knows nothing against it."""
    version = native_version(Path(_ffi.filename))
    assert version is not None
    assert version >= (50, 0, 0)
    assert concerning(version)[0] == []


def test_a_library_without_a_version_is_not_guessed(tmp_path: Path) -> None:
    """What does not say which version it is has none."""
    (tmp_path / "lib.so").write_bytes(b"\x7fELF version: 50.0.0")
    assert native_version(tmp_path / "lib.so") is None
