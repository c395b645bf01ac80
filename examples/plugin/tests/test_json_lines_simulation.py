"""The storage `jsonlines:` under whole nodes in simulated time: the simulation suite that Caxton ships."""

from __future__ import annotations

from pathlib import Path

import pytest
from caxton_core.testing_simulations import StorageSimulation


class TestJsonLinesSimulation(StorageSimulation):
    """What nodes live through on it."""

    seeds = "1..5"

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.url = f"jsonlines:///{tmp_path}/{{seed}}.jsonl"
