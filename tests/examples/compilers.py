"""Example agents compiled when a test needs them, each version of a source once.

Rules:
- what was compiled is kept in pytest's cache, named for everything it was made of;
- a compiler that is missing skips the test, but with `CI` set in the environment it is an error.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from caxton_server import authoring

ROOT = Path(__file__).parents[2]
AGENTS = ROOT / "examples" / "agents"
SDK = ROOT / "sdk" / "caxton_sdk"


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


def missing(language: str) -> str | None:
    """Say what is not there to compile a language with."""
    if language in ("c", "zig"):
        there = importlib.util.find_spec("ziglang")
        return None if there else f"{language} needs the package ziglang"
    if language == "py":
        there = importlib.util.find_spec("componentize_py")
        return None if there else "Python needs the package componentize-py"
    programs = BUILD.tool("npm") and BUILD.tool("node")
    return None if programs else "AssemblyScript and JavaScript need node and npm"


def need(source: Path) -> None:
    """Skip, or in continuous integration fail, where a source can't be compiled."""
    lost = missing(source.suffix.removeprefix("."))
    if lost is None:
        return
    if os.environ.get("CI"):
        pytest.fail(lost)
    pytest.skip(lost)


def _digest(source: Path) -> str:
    """Name what is compiled from a source: by it, what it may include, and how it is done."""
    parts = [AGENTS / "build.py", source, *sorted(Path(authoring.__file__).parent.glob("*.py"))]
    if source.suffix in (".c", ".zig"):
        parts += sorted([*(SDK / "c").glob("*.h"), *(SDK / "zig").glob("*.zig")])
        made = hashlib.sha256(importlib.metadata.version("ziglang").encode())
    else:
        parts += sorted((SDK / "assemblyscript").rglob("*.ts"))
        parts.append(AGENTS / "assemblyscript" / "package-lock.json")
        made = hashlib.sha256()
    for part in parts:
        made.update(part.read_bytes() if part.is_file() else b"")
        made.update(b"\0")
    return made.hexdigest()[:32]


class Compiled:
    """Sources as modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, source: Path) -> bytes:
        """Return the module of a source."""
        need(source)
        kept = self.folder / f"{source.stem}-{_digest(source)}.wasm"
        with BUILD.alone(str(kept)):
            if not kept.is_file():
                fresh = kept.with_suffix(".new")
                BUILD.compile_source(source, fresh)
                fresh.replace(kept)
        return kept.read_bytes()
