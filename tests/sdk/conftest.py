"""What the tests of the SDKs share."""

from __future__ import annotations

from tests.server.cli.conftest import installed

__all__ = ["installed"]
