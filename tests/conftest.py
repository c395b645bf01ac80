"""What every test of the suite shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of the person who runs the tests: they are configuration, not circumstance."""
    for name in [name for name in os.environ if name.startswith("CAXTON_")]:
        monkeypatch.delenv(name)
