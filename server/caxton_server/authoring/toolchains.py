"""What a language is to us: how its compiler is found, and how a project is built with it.

Rules:
- Finding installs nothing; a toolchain that is missing is an error that names the command which installs it.
- Building writes below the project's folder `build` and nowhere else, but for what a package manager installs.
- What a compiler says is shown whole; nobody interprets it here.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
from caxton_core.errors import Problem
from returns.result import Failure, Result, Success


class Toolchain(msgspec.Struct, frozen=True):
    """A compiler that is there: how it is called, and its version as it says it itself."""

    command: tuple[str, ...]
    version: str


class ToolchainMissing(Problem, frozen=True):
    """A language can't be built here; `install` is what helps, word for word."""

    language: str
    detail: str
    install: str
    code: ClassVar[str] = "toolchain_missing"
    SENTENCE: ClassVar[str] = "{language} needs {detail}. Install it with: {install}"


class BuildFailed(Problem, frozen=True):
    """Nothing was built; `output` is all that the compiler, or the package manager, said."""

    language: str
    output: str
    code: ClassVar[str] = "build_failed"
    SENTENCE: ClassVar[str] = "The build of {language} failed.\n{output}"


class Build(msgspec.Struct, frozen=True):
    """One build: from which source in which folder, into which module; `say` tells the user of a long step."""

    folder: Path
    source: Path
    output: Path
    say: Callable[[str], None]


class Language(msgspec.Struct, frozen=True):
    """A language agents are written in.

    `source` is the file, in a project's folder, that the compiler is given: a project is of the language whose source it
    has. `watched` are patterns of the names of the files a build depends on. `profile` is that of the manifest.
    """

    name: str
    title: str
    profile: str
    source: str
    watched: tuple[str, ...]
    find: Callable[[Path], Result[Toolchain, ToolchainMissing]]
    build: Callable[[Toolchain, Build], Result[Path, BuildFailed]]


def run(
    language: str,
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> Result[str, BuildFailed]:
    """Run a tool in a folder and return what it printed; what it printed is the error when it fails."""
    try:
        done = subprocess.run(
            list(command),
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        return Failure(BuildFailed(language, f"{command[0]}: {error.strerror or error}"))
    if done.returncode:
        said = done.stdout.strip() or f"{command[0]} ended with exit code {done.returncode}"
        return Failure(BuildFailed(language, said))
    return Success(done.stdout)
