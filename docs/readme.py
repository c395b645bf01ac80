"""Run the commands of the README in a copy of the tree, as somebody would who pastes them one after the other.

The block of the test command is left out: it is what runs this. Every other block marked `bash` is run by one
shell, in order, and must succeed. The server of the tour gets free ports instead of its usual ones.
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
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LONGEST = 900
# What a fresh clone does not have: environments, caches, packages of npm, data of nodes.
LEFT_OUT = shutil.ignore_patterns(".?*", "__pycache__", "node_modules", "build", "dist", "*-data")
PREAMBLE = "set -euo pipefail\n"


def commands(readme: str) -> str:
    """Join the blocks of a README that are to be run."""
    return "\n".join(block for block in BLOCK.findall(readme) if "/nox" not in block)


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def main() -> int:
    """Run the commands and return the shell's exit code."""
    port, metrics = free_ports(2)
    script = PREAMBLE + commands((ROOT / "README.md").read_text()).replace(":8080", f":{port}")
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
    with tempfile.TemporaryDirectory() as parent:
        scratch = shutil.copytree(ROOT, Path(parent) / "caxton", ignore=LEFT_OUT)
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return shell.wait(LONGEST)
        finally:
            # Whatever happened, no server of the tour outlives it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
