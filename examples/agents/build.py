"""Build the example guests, the same bytes every time.

`python examples/agents/build.py` rebuilds the modules the packages carry; `--check` compares instead of writing.
`python examples/agents/build.py --into FOLDER SOURCE...` builds any other agents, each as FOLDER/<name>.wasm.
Needs Caxton, `ziglang` (C and Zig) and, for AssemblyScript, Node with npm; its compiler is kept in
`assemblyscript/node_modules`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from caxton_server.authoring import node
from caxton_server.authoring.toolchains import Build
from caxton_server.authoring.zig import C_FLAGS, ZIG

HERE = Path(__file__).resolve().parent
SERVER = HERE.parents[1] / "server" / "caxton_server"
DEMO = SERVER / "demo"
BENCH = SERVER / "bench" / "guests"
ASSEMBLYSCRIPT = HERE / "assemblyscript"

# To what `caxton agent build` gives the compiler.
C_MORE = ("-Werror", "-Wl,-z,stack-size=16384")

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
            [
                sys.executable,
                "-m",
                "ziglang",
                "cc",
                *C_FLAGS,
                *C_MORE,
                optimise,
                source,
                "-o",
                output,
            ],
            folder,
        )

    return build


def tool(name: str) -> str | None:
    """Find a program of Node."""
    return node.program(name)


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """Let nobody else on this machine do the same meanwhile."""
    name = hashlib.sha256(what.encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"caxton-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compiler() -> Path:
    """Return the AssemblyScript compiler; install the locked one unless it is there."""
    modules = ASSEMBLYSCRIPT / "node_modules"
    wanted = hashlib.sha256((ASSEMBLYSCRIPT / "package-lock.json").read_bytes()).hexdigest()
    stamp = modules / ".installed"
    with alone(str(modules)):
        if not stamp.is_file() or stamp.read_text() != wanted:
            npm = tool("npm")
            if npm is None:
                raise SystemExit("npm is needed to build AssemblyScript")
            _run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], ASSEMBLYSCRIPT)
            stamp.write_text(wanted)
    return modules / "assemblyscript" / "bin" / "asc.js"


def _assemblyscript(source: Path, output: Path, folder: Path) -> None:
    program = tool("node")
    if program is None:
        raise SystemExit("node is needed to build AssemblyScript")
    _run([program, compiler(), source.name, "-o", output, *node.FLAGS], source.parent)


def _zig(source: Path, output: Path, folder: Path) -> None:
    toolchain = ZIG.find(folder).unwrap()
    ZIG.build(toolchain, Build(source.parent, source, folder / "agent.wasm", print)).unwrap()
    (folder / "agent.wasm").replace(output)


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
    _build(builder, source, output)


def compile_source(source: Path, output: Path) -> None:
    """Build an agent from its source in C, Zig or AssemblyScript."""
    builder = {".ts": _assemblyscript, ".zig": _zig}.get(source.suffix, SMALL)
    _build(builder, source.resolve(), output.resolve())


def _build(builder: Builder, source: Path, output: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="caxton-guests-") as folder:
        builder(source, output, Path(folder))
    output.chmod(0o644)


def main() -> int:
    """Build all guests, or those named; with `--check` only compare."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="guest", help=f"{', '.join(GUESTS)}; with --into source files"
    )
    parser.add_argument("--into", type=Path, help="build source files into this folder")
    parser.add_argument(
        "--check", action="store_true", help="compare with the modules in the packages"
    )
    options = parser.parse_args()
    if options.into is not None:
        options.into.mkdir(parents=True, exist_ok=True)
        for name in options.names:
            output = options.into / f"{Path(name).stem}.wasm"
            compile_source(Path(name), output)
            print(f"{output}: {output.stat().st_size} bytes")
        return 0
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
