"""Build the example guests, the same bytes every time.

`python examples/agents/build.py` rebuilds the modules the packages carry; `--check` compares instead of writing.
Needs Python with `ziglang` (C) and, for the AssemblyScript guest, Node with npm.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVER = HERE.parents[1] / "server" / "caxton_server"
DEMO = SERVER / "demo"
BENCH = SERVER / "bench" / "guests"

# Fits the profile `strict`: the MVP instruction set, nothing imported but `caxton`.
C_FLAGS = (
    *("-target", "wasm32-freestanding", "-mcpu=mvp", "-nostdlib", "-fno-builtin"),
    *("-Wall", "-Wextra", "-Werror", f"-I{HERE / 'c'}"),
    *("-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=16384"),
)
ASSEMBLYSCRIPT_FLAGS = (
    *("--runtime", "minimal", "-O3", "--noAssert", "--use", "abort="),
    *("--disable", "bulk-memory", "--disable", "sign-extension", "--disable", "nontrapping-f2i"),
)

Builder = Callable[[Path, Path, Path], None]


def _run(command: Sequence[str | Path], folder: Path) -> None:
    """Run a tool quietly; when it fails, say what it said."""
    environment = os.environ | {
        "ZIG_LOCAL_CACHE_DIR": str(folder / "zig-local"),
        "ZIG_GLOBAL_CACHE_DIR": str(folder / "zig-global"),
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _c(optimise: str) -> Builder:
    def build(source: Path, output: Path, folder: Path) -> None:
        _run(
            [sys.executable, "-m", "ziglang", "cc", *C_FLAGS, optimise, source, "-o", output],
            folder,
        )

    return build


def _assemblyscript(source: Path, output: Path, folder: Path) -> None:
    """Install the locked compiler beside a copy of the sources and run it there."""
    work = folder / source.parent.name
    shutil.copytree(source.parent, work, ignore=shutil.ignore_patterns("node_modules"))
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is needed to build the AssemblyScript guest")
    _run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], work)
    compiler = work / "node_modules" / "assemblyscript" / "bin" / "asc.js"
    _run(["node", compiler, source.name, "-o", output, *ASSEMBLYSCRIPT_FLAGS], work)


SMALL, FAST = _c("-Oz"), _c("-O2")
GUESTS: dict[str, tuple[Path, Path, Builder]] = {
    "machine": (HERE / "machine" / "machine.c", DEMO / "machine.wasm", SMALL),
    "dispatcher": (HERE / "dispatcher" / "dispatcher.c", DEMO / "dispatcher.wasm", SMALL),
    "job": (HERE / "job" / "job.ts", DEMO / "job.wasm", _assemblyscript),
    **{
        name: (HERE / "bench" / f"{name}.c", BENCH / f"{name}.wasm", FAST)
        for name in ("forwarder", "sender", "receiver", "initiator", "bidder", "idle", "spinner")
    },
}


def build(name: str, output: Path) -> None:
    """Build one guest."""
    source, _, builder = GUESTS[name]
    with tempfile.TemporaryDirectory(prefix="caxton-guests-") as folder:
        builder(source, output, Path(folder))
    output.chmod(0o644)


def main() -> int:
    """Build all guests, or those named; with `--check` only compare."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="guest", help=", ".join(GUESTS))
    parser.add_argument(
        "--check", action="store_true", help="compare with the modules in the packages"
    )
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(GUESTS))
    if unknown:
        parser.error(f"no such guest: {', '.join(unknown)}")
    different = []
    for name in options.names or GUESTS:
        kept = GUESTS[name][1]
        if options.check:
            with tempfile.TemporaryDirectory(prefix="caxton-check-") as folder:
                fresh = Path(folder) / f"{name}.wasm"
                build(name, fresh)
                same = kept.is_file() and kept.read_bytes() == fresh.read_bytes()
            if not same:
                different.append(name)
            print(f"{name}: {'the same bytes' if same else 'DIFFERENT'}")
        else:
            kept.parent.mkdir(parents=True, exist_ok=True)
            build(name, kept)
            print(f"{name}: {kept.stat().st_size} bytes")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())
