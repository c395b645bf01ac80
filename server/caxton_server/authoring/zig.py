"""C and Zig, both compiled by the PyPI package `ziglang`.

Rules:
- What is built fits the profile `strict`: the instruction set of WebAssembly 1.0, and no import but `caxton`.
- The stack lies below the data, so an overflow is a trap and not a silent overwriting.
"""

from __future__ import annotations

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

MODULE: Final = "ziglang"
STACK_BYTES: Final = 65536

C_FLAGS: Final = (
    *("-target", "wasm32-freestanding", "-mcpu=mvp", "-nostdlib", "-fno-builtin"),
    *("-Wall", "-Wextra", f"-I{caxton_sdk.ROOT / 'c'}", "-Wl,--no-entry", "-Wl,--strip-all"),
)
ZIG_FLAGS: Final = (
    *("-target", "wasm32-freestanding", "-mcpu=mvp", "-fno-entry", "-rdynamic", "-fstrip"),
    *("-O", "ReleaseSmall"),
)


def _ziglang(title: str, extra: str) -> Result[Toolchain, ToolchainMissing]:
    """Find the compiler that this Python has."""
    command = (sys.executable, "-m", MODULE)
    asked = run(title, [*command, "version"], Path.cwd())
    if isinstance(asked, Failure):
        needs = "the Zig compiler, which compiles C too" if title == "C" else "the Zig compiler"
        install = f"pip install 'caxton-server[{extra}]'"
        return Failure(ToolchainMissing(title, needs, install))
    return Success(Toolchain(command, f"zig {asked.unwrap().strip()}"))


def _find_c(_folder: Path) -> Result[Toolchain, ToolchainMissing]:
    return _ziglang("C", "c-agents")


def _find_zig(_folder: Path) -> Result[Toolchain, ToolchainMissing]:
    return _ziglang("Zig", "zig-agents")


def _compile(
    title: str, toolchain: Toolchain, build: Build, *flags: str
) -> Result[Path, BuildFailed]:
    build.output.parent.mkdir(parents=True, exist_ok=True)
    local = {"ZIG_LOCAL_CACHE_DIR": str(build.output.parent / ".zig-cache")}
    done = run(title, [*toolchain.command, *flags], build.folder, local)
    if not isinstance(done, Failure):
        # The linker marks what it writes as a program.
        build.output.chmod(0o644)
    return done.map(lambda _: build.output)


def _build_c(toolchain: Toolchain, build: Build) -> Result[Path, BuildFailed]:
    """Compile one file of C with the headers of the SDK."""
    stack = f"-Wl,-z,stack-size={STACK_BYTES}"
    output = ("-o", str(build.output))
    # From the folder it is in: the compiler stumbles over a path with quotes or dollars, and shows the shorter one.
    source = str(build.source.relative_to(build.folder))
    return _compile("C", toolchain, build, "cc", *C_FLAGS, "-Oz", stack, source, *output)


def _build_zig(toolchain: Toolchain, build: Build) -> Result[Path, BuildFailed]:
    """Compile a Zig file that may import the module `caxton`."""
    sdk = caxton_sdk.ROOT / "zig" / "caxton.zig"
    modules = (
        "--dep",
        "caxton",
        f"-Mroot={build.source.relative_to(build.folder)}",
        f"-Mcaxton={sdk}",
    )
    output = f"-femit-bin={build.output}"
    stack = ("--stack", str(STACK_BYTES))
    return _compile("Zig", toolchain, build, "build-exe", *ZIG_FLAGS, *stack, *modules, output)


C: Final = Language(
    name="c", title="C", profile="strict", source="agent.c", watched=("*.c", "*.h"),
    find=_find_c, build=_build_c,
)  # fmt: skip
ZIG: Final = Language(
    name="zig", title="Zig", profile="strict", source="agent.zig", watched=("*.zig",),
    find=_find_zig, build=_build_zig,
)  # fmt: skip
