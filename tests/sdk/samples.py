"""The sample agents of every language, built when a test needs them, each version of a source once.

Rules:
- They are built as `caxton agent build` builds a project, but for the packages of npm: those are the ones of the lock.
- A toolchain that is missing skips a test and says why; with `CI` set in the environment it is an error, but for the
  languages that continuous integration does not have.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import caxton_sdk
import msgspec
import pytest
from caxton_server.authoring import node as npm
from caxton_server.authoring import toolchains
from caxton_server.authoring.javascript import COMPILER
from caxton_server.authoring.languages import LANGUAGES
from caxton_server.authoring.toolchains import Build
from returns.result import Failure

from tests.examples.compilers import AGENTS, BUILD

SCRIPTS = AGENTS / "samples"
TOGETHER = Path(__file__).parent / "together"
SAMPLES = sorted(path.stem for path in SCRIPTS.glob("*.yaml"))


class Row(msgspec.Struct, frozen=True):
    """How the samples of a language are built and run: `prepare` brings what is not there in a fresh clone.

    `together` builds them as one module, which `sample` in the configuration turns into one of them.
    """

    suffix: str
    prepare: Callable[[], object] = lambda: None
    limits: Mapping[str, str | int] = {}
    optional: bool = False
    together: bool = False


def packages() -> None:
    """Install the packages that build agents in JavaScript."""
    home = AGENTS / "javascript"
    with BUILD.alone(str(home / "node_modules")):
        npm.install("JavaScript", Build(home, home, home, lambda _: None), COMPILER).unwrap()


# What a component is made of is more than an agent.
ROOM: Mapping[str, str | int] = {"memory": "64MiB", "cpu_ms": 500}


ROWS: Mapping[str, Row] = {
    "c": Row(".c"),
    "zig": Row(".zig"),
    "assemblyscript": Row(".ts", prepare=BUILD.compiler),
    "python": Row(".py", limits=ROOM, together=True),
    "javascript": Row(".js", prepare=packages, limits=ROOM, together=True),
}
"""One row for each language; a new one needs no more than this and its four sources."""


def _digest(language: str, source: Path, version: str) -> str:
    """Name what is built from a source: by it, what it may include, and what builds it."""
    sdk = caxton_sdk.ROOT / language
    beside = [path for path in (AGENTS / language).iterdir() if path.is_file()]
    beside += [path for path in TOGETHER.iterdir() if path.is_file()]
    parts = [*sorted(path for path in sdk.rglob("*") if path.is_file()), *sorted(beside)]
    parts += sorted(Path(toolchains.__file__).parent.glob("*.py"))
    made = hashlib.sha256(f"{version} {source.name}".encode())
    for part in parts:
        if "__pycache__" not in part.parts:
            made.update(part.read_bytes())
    return made.hexdigest()[:32]


class Samples:
    """Samples as modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, language: str, sample: str) -> bytes:
        """Return the module of a sample; skip, or in continuous integration fail, where it can't be built."""
        row, known = ROWS[language], LANGUAGES[language]
        home = AGENTS / language
        name = "agent" if row.together else sample
        source = (TOGETHER if row.together else home) / f"{name}{row.suffix}"
        found = known.find(home)
        if isinstance(found, Failure):
            if os.environ.get("CI") and not row.optional:
                pytest.fail(str(found.failure()))
            pytest.skip(str(found.failure()))
        toolchain = found.unwrap()
        kept = (
            self.folder / f"{language}-{name}-{_digest(language, source, toolchain.version)}.wasm"
        )
        with BUILD.alone(str(kept)):
            if not kept.is_file():
                row.prepare()
                fresh = self.folder / f"{kept.stem}-new" / "sample.wasm"
                if row.together:
                    beside = [*home.glob(f"*{row.suffix}"), *TOGETHER.glob(f"*{row.suffix}")]
                    source = gather(beside, fresh.parent / "together") / source.name
                known.build(toolchain, Build(home, source, fresh, lambda _: None)).unwrap()
                fresh.replace(kept)
        return kept.read_bytes()


def gather(files: Iterable[Path], folder: Path) -> Path:
    """Copy files into one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder)
    return folder
