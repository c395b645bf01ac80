"""The committed modules are what the sources build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.compilers import AGENTS, BUILD, need

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", list(BUILD.GUESTS))
def test_rebuilding_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    """Sources and tools, pinned, give exactly the committed module."""
    source, kept, _ = BUILD.GUESTS[name]
    need(source)
    BUILD.build(name, tmp_path / "fresh.wasm")
    assert (tmp_path / "fresh.wasm").read_bytes() == kept.read_bytes()


def test_the_lock_names_no_registry() -> None:
    """The lock pins versions and digests and leaves the address to npm's configuration."""
    lock = (AGENTS / "assemblyscript" / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in lock
    assert '"resolved"' not in lock


@pytest.mark.parametrize("missing", ["", "yes"])
def test_a_missing_compiler_is_an_error_only_where_it_must_be_there(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without node a test is skipped; in continuous integration it fails."""
    monkeypatch.setattr(BUILD, "tool", lambda _name: None)
    monkeypatch.setenv("CI", missing)
    expected = pytest.fail.Exception if missing else pytest.skip.Exception
    with pytest.raises(expected, match="need node and npm"):
        need(Path("agent.ts"))
