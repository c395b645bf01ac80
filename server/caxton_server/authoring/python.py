"""Python, made a component by the PyPI package `componentize-py`: CPython itself, with the agent's modules in it.

Rules:
- What is built imports `caxton:agent/node` and nothing else: WASI is stubbed out.
- Modules are found in the project, in its requirements, and in the SDK; those of the environment that builds are not.
- Requirements are installed below `build`, from pure wheels only: what is compiled for this machine can't run in a node.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import re
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

TITLE: Final = "Python"
REQUIREMENTS: Final = "requirements.txt"
# The Python that is inside a component.
_INSIDE: Final = "3.14"
_TOOL: Final = "from componentize_py import script; script()"
_ENTRY: Final = "caxton_entry"
_ENTRY_TEXT: Final = '''\
"""What the compiler is given: the project's agent, joined to the world that the node knows. Written at every build."""
import gc

from caxton_agent import surroundings

surroundings.prepare()

import {module} as project

from caxton_agent.component import find, world

surroundings.remember_sources()
WitWorld = world(find(project))

# Instances share what is here until they write to it, and the collector writes to all that it looks at.
gc.collect()
gc.freeze()
'''


def _find(_folder: Path) -> Result[Toolchain, ToolchainMissing]:
    """Find the compiler that this Python has."""
    if importlib.util.find_spec("componentize_py") is None:
        install = "pip install 'caxton-server[python-agents]'"
        return Failure(ToolchainMissing(TITLE, "componentize-py", install))
    version = importlib.metadata.version("componentize-py")
    return Success(Toolchain((sys.executable, "-c", _TOOL), f"componentize-py {version}"))


def _build(toolchain: Toolchain, build: Build) -> Result[Path, BuildFailed]:
    """Make a component of a project's modules."""
    work = build.output.parent / ".python"
    installed = install(build, work)
    if isinstance(installed, Failure):
        return Failure(installed.failure())
    entry = work / "entry"
    entry.mkdir(parents=True, exist_ok=True)
    (entry / f"{_ENTRY}.py").write_text(_ENTRY_TEXT.format(module=build.source.stem), "utf-8")
    folders = [build.source.parent, entry, caxton_sdk.ROOT / "python"]
    command = [
        *toolchain.command,
        *("--wit-path", str(caxton_sdk.WIT), "--world", "agent", "componentize", "--stub-wasi"),
        *(word for folder in folders for word in ("--python-path", str(folder))),
        *("--output", str(build.output), _ENTRY),
    ]
    # The folder of packages is taken for the environment's; the real one would be searched otherwise.
    environment = {"VIRTUAL_ENV": str(work / "venv"), "RUST_BACKTRACE": "0"}
    done = run(TITLE, command, build.folder, environment)
    if isinstance(done, Failure):
        said = readable(done.failure().output, folders, build.folder)
        return Failure(BuildFailed(TITLE, said))
    return Success(build.output)


def install(build: Build, work: Path) -> Result[str, BuildFailed]:
    """Install what the project requires, unless that is what is there."""
    wanted = build.source.parent / REQUIREMENTS
    content = wanted.read_bytes() if wanted.is_file() else b""
    packages = work / "venv" / "lib" / "site-packages"
    stamp = work / "installed"
    digest = hashlib.sha256(content).hexdigest()
    if packages.is_dir() and stamp.is_file() and stamp.read_text() == digest:
        return Success("")
    shutil.rmtree(packages, ignore_errors=True)
    packages.mkdir(parents=True)
    done: Result[str, BuildFailed] = Success("")
    if content.strip():
        build.say(f"Installing what {REQUIREMENTS} names")
        done = run(TITLE, _pip(wanted, packages), build.folder)
    if not isinstance(done, Failure):
        stamp.write_text(digest)
    return done


def _pip(wanted: Path, packages: Path) -> list[str]:
    """Return the command that installs pure packages for the Python inside a component."""
    return [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--only-binary", ":all:", "--platform", "any", "--implementation", "py", "--abi", "none"),
        *("--python-version", _INSIDE, "--target", str(packages), "--requirement", str(wanted)),
    ]


def readable(said: str, folders: list[Path], home: Path) -> str:
    """Return what the compiler said, without its own calls and with the names that files have outside of it.

    >>> print(readable('File "x"\\nAssertionError: File "/0/agent.py"\\n\\nCaused by:\\n  ...', [Path("a")], Path("a")))
    File "agent.py"
    """
    found = re.search(r"^AssertionError: (.*?)(?:^Caused by:.*)?\Z", said, re.MULTILINE | re.DOTALL)
    text = found[1].strip() if found else said

    def outside(mounted: re.Match[str]) -> str:
        number = int(mounted[1])
        if number >= len(folders):
            return f'"{REQUIREMENTS}/'
        path = folders[number]
        return f'"{path.relative_to(home)}/' if path.is_relative_to(home) else f'"{path}/'

    return re.sub(r'"/(\d+)/', outside, text).replace('"./', '"')


PYTHON: Final = Language(
    name="python", title=TITLE, profile="component", source="agent.py",
    watched=("*.py", REQUIREMENTS), find=_find, build=_build,
)  # fmt: skip
