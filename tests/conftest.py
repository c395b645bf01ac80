"""What every test of the suite shares."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.postgres import _postgres_of_the_session, postgres, postgres_database, postgres_url

__all__ = ["_postgres_of_the_session", "postgres", "postgres_database", "postgres_url"]

ROOT = Path(__file__).parent.parent

# Who runs the tests in the background of a shell has SIGINT ignored, and so would have every process that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of the person who runs the tests: they are configuration, not circumstance."""
    for name in [name for name in os.environ if name.startswith("CAXTON_")]:
        monkeypatch.delenv(name)
