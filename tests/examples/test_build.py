"""The modules in the packages are what their sources say."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

AGENTS = Path(__file__).parents[2] / "examples" / "agents"


def _load() -> ModuleType:
    """Import the build script, which is no package."""
    spec = importlib.util.spec_from_file_location("examples_agents_build", AGENTS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BUILD = _load()


@pytest.mark.parametrize("name", list(BUILD.GUESTS))
def test_rebuilding_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    """Sources and tools, pinned, give exactly the committed module."""
    source, kept, _ = BUILD.GUESTS[name]
    if source.suffix == ".ts" and not (shutil.which("npm") and shutil.which("node")):
        pytest.skip("the AssemblyScript guest needs node and npm")
    if source.suffix == ".c":
        pytest.importorskip("ziglang")
    BUILD.build(name, tmp_path / "fresh.wasm")
    assert (tmp_path / "fresh.wasm").read_bytes() == kept.read_bytes()


def test_the_lock_names_no_registry() -> None:
    """The lock pins versions and digests and leaves the address to npm's configuration."""
    lock = (AGENTS / "job" / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in lock
    assert '"resolved"' not in lock
