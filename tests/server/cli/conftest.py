"""What tests of commands share."""

from __future__ import annotations

import importlib.metadata

import pytest


@pytest.fixture
def installed() -> None:
    """Skip where Caxton is only on the path: its plugins are found through entry points."""
    if not importlib.metadata.entry_points(group="caxton"):
        pytest.skip("the distribution is not installed")
