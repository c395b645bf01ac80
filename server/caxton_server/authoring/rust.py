"""Rust, compiled by the `rustc` of this machine with the target `wasm32-unknown-unknown`.

Rules:
- Two crates: the SDK's `caxton`, and the agent, which may have further modules. Nothing is fetched, and there is no cargo.
- As for cargo, `RUSTC` and `CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER` name other programs than the usual ones.
- The profile is `standard`: the standard library of a recent Rust uses instructions that `strict` does not admit.
"""

from __future__ import annotations

import os
import shutil
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

TITLE: Final = "Rust"
TARGET: Final = "wasm32-unknown-unknown"
STACK_BYTES: Final = 65536
_LINKER: Final = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER"
_INSTALL: Final = f"rustup target add {TARGET}"
_FLAGS: Final = (
    *("--edition", "2021", "--target", TARGET, "--color", "never"),
    *("-C", "opt-level=z", "-C", "panic=abort", "-C", "embed-bitcode=yes"),
)


def _find(_folder: Path) -> Result[Toolchain, ToolchainMissing]:
    """Find a compiler that has the target."""
    rustc = shutil.which(os.environ.get("RUSTC") or "rustc")
    if rustc is None:
        return Failure(ToolchainMissing(TITLE, f"rustc (https://rustup.rs) and {TARGET}", _INSTALL))
    version = run(TITLE, [rustc, "--version"], Path.cwd())
    asked = run(TITLE, [rustc, "--print", "target-libdir", "--target", TARGET], Path.cwd())
    if isinstance(version, Failure) or isinstance(asked, Failure):
        return Failure(ToolchainMissing(TITLE, "a rustc that runs", _INSTALL))
    if not Path(asked.unwrap().strip()).is_dir():
        return Failure(ToolchainMissing(TITLE, f"the target {TARGET}", _INSTALL))
    return Success(Toolchain((rustc,), " ".join(version.unwrap().split()[:2])))


def _build(toolchain: Toolchain, build: Build) -> Result[Path, BuildFailed]:
    """Compile the SDK, and the agent with it."""
    work = build.output.parent / ".rust"
    work.mkdir(parents=True, exist_ok=True)
    library = work / "libcaxton.rlib"
    sdk = caxton_sdk.ROOT / "rust" / "caxton" / "lib.rs"
    crate = ("--crate-type", "rlib", "--crate-name", "caxton", str(sdk), "-o", str(library))
    made = run(TITLE, [*toolchain.command, *_FLAGS, *crate], build.folder)
    if isinstance(made, Failure):
        return Failure(made.failure())
    linker = os.environ.get(_LINKER)
    agent = [
        *("--crate-type", "cdylib", "--crate-name", "agent", "--extern", f"caxton={library}"),
        *("-C", "lto", "-C", "strip=symbols", "-C", f"link-arg=-zstack-size={STACK_BYTES}"),
        *(("-C", f"linker={linker}") if linker else ()),
        *(str(build.source), "-o", str(build.output)),
    ]
    done = run(TITLE, [*toolchain.command, *_FLAGS, *agent], build.folder)
    if not isinstance(done, Failure):
        # The linker marks what it writes as a program.
        build.output.chmod(0o644)
    return done.map(lambda _: build.output)


RUST: Final = Language(
    name="rust", title=TITLE, profile="standard", source="agent.rs", watched=("*.rs",),
    find=_find, build=_build,
)  # fmt: skip
