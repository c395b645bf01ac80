"""JavaScript, made a component by npm packages that a project names: `esbuild` and `componentize-js`.

Rules:
- The agent's modules, its packages and the SDK become one file, and that and a JavaScript engine the component.
- What is built imports `caxton:agent/node` and nothing else: what would need WASI is disabled.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
from pathlib import Path
from typing import Final

import caxton_sdk
from returns.result import Failure, Result, Success

from caxton_server.authoring.node import find_node, install
from caxton_server.authoring.toolchains import (
    Build,
    BuildFailed,
    Language,
    Toolchain,
    ToolchainMissing,
    run,
)

TITLE: Final = "JavaScript"
SDK: Final = caxton_sdk.ROOT / "javascript" / "caxton-agent"
_MODULES: Final = Path("node_modules")
_BUNDLER: Final = _MODULES / "esbuild" / "bin" / "esbuild"
COMPILER: Final = _MODULES / "@bytecodealliance" / "componentize-js" / "src" / "cli.js"
_BUNDLE_FLAGS: Final = (
    *("--bundle", "--format=esm", "--platform=neutral", "--main-fields=module,main"),
    *("--target=es2022", "--external:caxton:*", "--log-level=warning", "--color=false"),
    f"--alias:caxton-agent={SDK}",
)
_FLAGS: Final = (
    *("--wit", str(caxton_sdk.WIT), "--world-name", "agent"),
    *("--disable", "stdio", "random", "clocks", "http", "fetch-event"),
)
_THROWN: Final = re.compile(
    r"^Exception while evaluating top-level script\n(?P<error>bundle\.js:(?P<line>\d+):.*?)(?=^Additionally|^Stack|\Z)",
    re.MULTILINE | re.DOTALL,
)
_ENTRY_TEXT: Final = """\
// What the compiler is given: the project's agent, joined to the world that the node knows. Written at every build.
import "caxton-agent/surroundings";
import * as project from "{source}";
import {{ find, world }} from "caxton-agent/component";

export const {{ init, handle, drain, exportState, importState }} = world(find(project));
"""


def _find(_folder: Path) -> Result[Toolchain, ToolchainMissing]:
    return find_node(TITLE)


def _build(toolchain: Toolchain, build: Build) -> Result[Path, BuildFailed]:
    """Make a component of a project's modules."""
    installed = install(TITLE, build, COMPILER)
    if isinstance(installed, Failure):
        return Failure(installed.failure())
    _offer_types(build.folder)
    work = build.output.parent / ".javascript" / build.source.stem
    work.mkdir(parents=True, exist_ok=True)
    source = Path(os.path.relpath(build.source, work)).as_posix()
    (work / "entry.js").write_text(_ENTRY_TEXT.format(source=source), "utf-8")
    bundle = work / "bundle.js"
    node, modules = toolchain.command, build.folder
    bundling = [*node, str(modules / _BUNDLER), str(work / "entry.js"), f"--outfile={bundle}"]
    bundled = run(TITLE, [*bundling, *_BUNDLE_FLAGS], build.folder)
    if isinstance(bundled, Failure):
        # After what it found, the bundler's launcher shows its own calls.
        found = bundled.failure().output.partition("\nnode:")[0]
        return Failure(BuildFailed(TITLE, found.strip()))
    # The compiler names the file by its path from the folder it runs in.
    output = ("--out", str(build.output))
    making = [*node, str(modules / COMPILER), bundle.name, *_FLAGS, *output]
    made = run(TITLE, making, work)
    if isinstance(made, Failure):
        said = readable(made.failure().output, bundle.read_text("utf-8"))
        return Failure(BuildFailed(TITLE, said.replace(bundle.name, _inside(bundle, build.folder))))
    return Success(build.output)


def _inside(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def readable(said: str, bundle: str) -> str:
    """Return what the compiler said of an error at import time, without its own calls and with the line of source.

    >>> print(readable("Exception while evaluating top-level script\\nbundle.js:1:2 Error: no\\nAdditionally", "bad();"))
    bundle.js:1:2 Error: no
        bad();
    """
    found = _THROWN.search(said)
    if found is None:
        return said
    lines = bundle.splitlines()
    number = int(found["line"])
    source = [f"    {lines[number - 1].strip()}"] if 0 < number <= len(lines) else []
    calls = re.findall(r"^  (\S*@bundle\.js:\d+:\d+)$", said, re.MULTILINE)
    return "\n".join([found["error"].strip(), *source, *(f"  {call}" for call in calls)])


def _offer_types(folder: Path) -> None:
    """Put the SDK where editors look for it; the compiler does not."""
    there = folder / _MODULES / SDK.name
    types = "index.d.ts"
    if (there / types).is_file() and filecmp.cmp(there / types, SDK / types, shallow=False):
        return
    shutil.copytree(SDK, there, dirs_exist_ok=True)


JAVASCRIPT: Final = Language(
    name="javascript", title=TITLE, profile="component", source="agent.js",
    watched=("*.js", "*.mjs", "*.ts", "*.json"), find=_find, build=_build,
)  # fmt: skip
