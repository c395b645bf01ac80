"""Building a project: from its source to a module that a node would take.

Rules:
- What a build made is checked in the sandbox of the manifest's profile, exactly as a node does when it is deployed.
- What the check compiled is kept in the user's own cache and not in the project: it is native code, and a project may
  come from anybody. Of a project only its latest module is kept there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeAlias

import msgspec
from caxton_core.errors import InvalidModule, Problem
from caxton_core.ports import ModuleInfo
from caxton_core.registry import Registry
from returns.result import Failure, Result, Success

from caxton_server.authoring.projects import Project
from caxton_server.authoring.rehearsals import shared_sandboxes
from caxton_server.authoring.toolchains import Build, BuildFailed, Toolchain

Say: TypeAlias = Callable[[str], None]


class ModuleRefused(Problem, frozen=True):
    """What was built is no module that a node would take."""

    module: str
    profile: str
    detail: str
    code: ClassVar[str] = "module_refused"
    SENTENCE: ClassVar[str] = "{module} is refused by profile {profile}: {detail}"


class NothingBuilt(Problem, frozen=True):
    """There is no module where a build should have put it."""

    module: str
    code: ClassVar[str] = "nothing_built"
    SENTENCE: ClassVar[str] = "There is no {module}; build it first."


class Built(msgspec.Struct, frozen=True):
    """A module that was built and checked, and by what."""

    module: str
    toolchain: str
    info: ModuleInfo


def build(project: Project, registry: Registry, *, doing: Say, say: Say) -> Result[Built, Problem]:
    """Compile a project and check the module; `doing` is told each stage, `say` what takes the user's time."""
    language = project.language
    found = language.find(project.folder)
    if isinstance(found, Failure):
        return Failure(found.failure())
    toolchain: Toolchain = found.unwrap()
    doing(f"Compiling {language.source} with {toolchain.version}")
    made = _compile(project, toolchain, say)
    if isinstance(made, Failure):
        return Failure(made.failure())
    doing("Checking the module")
    return check(project, registry).map(
        lambda info: Built(str(project.module), toolchain.version, info)
    )


def _compile(project: Project, toolchain: Toolchain, say: Say) -> Result[Path, BuildFailed]:
    language = project.language
    try:
        return language.build(toolchain, Build(project.folder, project.source, project.module, say))
    except OSError as error:
        # A folder that can't be written to, or a file where one should be.
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return Failure(BuildFailed(language.title, said))


def check(project: Project, registry: Registry) -> Result[ModuleInfo, Problem]:
    """Check the module of a project as a node would."""
    module = read(project)
    if isinstance(module, Failure):
        return Failure(module.failure())
    content = module.unwrap()
    profile = project.manifest.profile
    with shared_sandboxes(registry, profile, cache(project, content)) as made:
        if isinstance(made, Failure):
            return Failure(made.failure())
        (sandbox,) = made.unwrap().values()
        checked: Result[ModuleInfo, InvalidModule] = sandbox.check(content, profile)
        return checked.alt(
            lambda refused: ModuleRefused(project.manifest.module, profile, str(refused))
        )


def read(project: Project) -> Result[bytes, NothingBuilt]:
    """Return the module of a project."""
    try:
        return Success(project.module.read_bytes())
    except OSError:
        return Failure(NothingBuilt(project.manifest.module))


def is_stale(project: Project) -> bool:
    """Tell whether a project has to be built: nothing is, or something it is made of is newer."""
    try:
        built = project.module.stat().st_mtime_ns
    except OSError:
        return True
    return any(path.stat().st_mtime_ns > built for path in project.watched())


def cache(project: Project, module: bytes) -> str:
    """Return the folder to keep a compiled module in, emptied of what the project compiled before; "" when there is none."""
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        name = hashlib.sha256(os.fsencode(project.folder)).hexdigest()[:16]
        mine = root / "caxton" / "projects" / name
        kept = mine / hashlib.sha256(module).hexdigest()[:16]
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        for other in mine.iterdir():
            if other != kept:
                shutil.rmtree(other, ignore_errors=True)
    except (OSError, RuntimeError):  # no home, or one that can't be written to
        return ""
    return str(kept)
