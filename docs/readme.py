"""Run the commands of the README, then those of other pages, as somebody would who pastes them one after the other.

All run in one copy of the tree. The block of the test command is left out: it is what runs this. Every other block marked
`bash` of a page is run by one shell, in order, and must succeed; what a remark `shows:` names must be in their output.
Servers get free ports instead of their usual ones.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "docs/protocols.md",
    "docs/backups.md",
    "examples/market/README.md",
    "examples/subscription/README.md",
)
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWS = re.compile(r"^<!-- shows: (.*) -->$", re.MULTILINE)
LONGEST = 900
# A command that fails ends the script, and with it the server of the tour, which holds on to the output.
PREAMBLE = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
# What a fresh clone does not have: environments, caches, packages of npm, data of nodes.
LEFT_OUT = shutil.ignore_patterns(".?*", "__pycache__", "node_modules", "build", "dist", "*-data")


def commands(page: str) -> str:
    """Join the blocks of a page that are to be run."""
    return "\n".join(block for block in BLOCK.findall(page) if "/nox" not in block)


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run(script: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run a script, showing what it prints, and return its exit code and its output."""
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # Whatever happens, no server of the tour outlives this; the end of the group is the end of the output too.
    end = threading.Timer(LONGEST, os.killpg, (shell.pid, signal.SIGKILL))
    end.start()
    printed = []
    try:
        assert shell.stdout is not None
        with shell.stdout as output:
            for line in output:
                print(line, end="", flush=True)
                printed.append(line)
        return shell.wait(), "".join(printed)
    finally:
        end.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)


def missing(page: str, printed: str) -> list[str]:
    """Return what a page says its commands show, in this order, and they did not."""
    lost, at = [], 0
    for text in SHOWS.findall(page):
        found = printed.find(text, at)
        if found < 0:
            lost.append(text)
        else:
            at = found + len(text)
    return lost


def follow(name: str, folder: Path) -> int:
    """Run the commands of one page; 0 when all succeed and show what they should."""
    page = (ROOT / name).read_text()
    port, metrics = free_ports(2)
    environment = {
        # The venv of whoever runs this is not what a newcomer has.
        **{
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("CAXTON_", "VIRTUAL_ENV"))
        },
        "CAXTON_SERVER__PORT": str(port),
        "CAXTON_SERVER__METRICS_PORT": str(metrics),
        "CAXTON_URL": f"http://127.0.0.1:{port}",
    }
    script = PREAMBLE + commands(page).replace(":8080", f":{port}")
    code, printed = run(script, folder, environment)
    for text in missing(page, printed):
        print(f"{name}: the commands did not show: {text}", file=sys.stderr)
        code = code or 1
    print(f"{name}: the commands ended with exit code {code}")
    return code


def main() -> int:
    """Run the pages in their order, each in the state that the one before leaves; 0 when all went well."""
    with tempfile.TemporaryDirectory() as parent:
        folder = shutil.copytree(ROOT, Path(parent) / "caxton", ignore=LEFT_OUT)
        return next((code for name in PAGES if (code := follow(name, folder))), 0)


if __name__ == "__main__":
    sys.exit(main())
