"""The type tests hold: mypy accepts what they assert and refuses what they mark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent


def test_what_must_not_type_check_does_not(tmp_path: Path) -> None:
    """Every `type: ignore` in tests/typing is needed, so a type that gets looser fails here."""
    pytest.importorskip("mypy", reason="type tests need mypy, which is not installed")
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--cache-dir",
            str(tmp_path),
            str(ROOT / "tests" / "typing"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
