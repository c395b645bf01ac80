"""What the small runs of all subjects share."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaigns import Nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    """Start nodes of a test's own; skip where Caxton is only on the path, so that its plugins are not found."""
    if not importlib.metadata.entry_points(group="caxton"):
        pytest.skip("the distribution is not installed")
    started = Nodes(tmp_path)
    yield started
    started.close()
