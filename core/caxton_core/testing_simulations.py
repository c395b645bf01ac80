"""The simulation suite of storages: whole nodes live on a back-end through crashes and faults, in simulated time.

Use it from a test module, for a storage whose plugin is installed:

    class TestWorlds(StorageSimulation):
        @pytest.fixture(autouse=True)
        def _place(self, tmp_path):
            self.url = f"redis:///{tmp_path}/{{seed}}"

Rules:
- The worlds are those of `caxton simulate --storage URL`, which a process of its own plays: see docs/simulation.md.
- Each seed has a database of its own, empty at first: `{seed}` in the URL is replaced by its number.
- A crash closes the storage and opens it again on the same data; a durability of `memory` can't take part.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


class StorageSimulation:
    """Derive from this, and set `url` before each test."""

    url: str
    seeds = "1..10"
    steps = 20
    seconds = 300.0
    """How long it may take; a bound against hanging."""

    def test_no_invariant_is_broken(self) -> None:
        """Nothing acknowledged is lost, nothing happens twice, and everything comes to its end."""
        command = [
            str(Path(sys.executable).with_name("caxton")), "simulate", "--json",
            "--seeds", self.seeds, "--steps", str(self.steps), "--storage", self.url,
        ]  # fmt: skip
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=self.seconds, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        shown = json.loads(done.stdout)
        for failed in shown["failed"]:
            trace = "\n".join(failed["trace"])
            raise AssertionError(
                f"seed {failed['seed']}: {failed['invariant']}: {failed['detail']}\n{trace}"
            )
        assert shown["counts"]["acknowledged"], "nothing was acknowledged"
