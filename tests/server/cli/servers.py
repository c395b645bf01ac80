"""A real `caxton serve` in a process of its own, for tests of commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

COMMAND = (
    sys.executable,
    "-c",
    "import sys; from caxton_server.cli import main; sys.exit(main())",
)


class Served:
    """A node that listens on a free port; `stop` asks it to end and returns its exit code.

    Its data is in `folder / "data"`, or where `CAXTON_STORAGE__URL` says.
    """

    def __init__(self, folder: Path, *flags: str, **environ: str) -> None:
        place = [] if "CAXTON_STORAGE__URL" in environ else ["--data", str(folder / "data")]
        self._log = (folder / "serve.log").open("w+")
        self._process = subprocess.Popen(
            [*COMMAND, "serve", *place, "--port", "0", *flags],
            cwd=folder,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "CAXTON_SERVER__METRICS_PORT": "off",
                "CAXTON_TELEMETRY__LOG_FORMAT": "json",
                **environ,
            },
        )

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Return what the node has written so far."""
        return Path(self._log.name).read_text(encoding="utf-8")

    def wait_for_url(self) -> str:
        """Wait until the node says that it serves, and return its address."""
        import time

        while self._process.poll() is None:
            for line in self.log.splitlines():
                if '"serving"' in line and line.endswith("}"):
                    url: str = json.loads(line)["url"]
                    return url
            time.sleep(0.02)
        raise AssertionError(f"the node ended:\n{self.log}")

    def send(self, how: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(how)

    def wait(self, seconds: float) -> int:
        """Wait for the end, and return the exit code."""
        code = self._process.wait(seconds)
        self._log.close()
        return code

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(how)
        code = self._process.wait()
        self._log.close()
        return code


def run(*line: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end."""
    return subprocess.run(
        [*COMMAND, *line],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CAXTON_SERVER__METRICS_PORT": "off", **environ},
    )
