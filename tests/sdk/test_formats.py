"""The sources of the SDK are in the form that their languages' own formatters give them."""

from __future__ import annotations

import subprocess
import sys

import caxton_sdk
import pytest

from tests.examples.compilers import AGENTS, ROOT

pytestmark = pytest.mark.once


def test_zig_is_formatted() -> None:
    """`zig fmt` has nothing to change."""
    pytest.importorskip("ziglang")
    folders = [caxton_sdk.ROOT / "zig", AGENTS, ROOT / "tests" / "examples" / "roles"]
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", "fmt", "--check", *map(str, folders)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
