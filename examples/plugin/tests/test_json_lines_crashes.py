"""The storage `jsonlines:` under kill -9: the crash suite that Caxton ships."""

from __future__ import annotations

from pathlib import Path

import pytest
from caxton_core.ports import Storage
from caxton_core.testing_storages_crashes import StorageCrashes
from caxton_example.json_lines import JsonLinesStorage


def make(path: str) -> Storage:
    """Make a storage; the process that is killed calls this too."""
    return JsonLinesStorage(Path(path))


class TestJsonLinesCrashes(StorageCrashes):
    """What was acknowledged survives."""

    factory = f"{__name__}:make"

    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.argument = str(tmp_path / "journal.jsonl")
