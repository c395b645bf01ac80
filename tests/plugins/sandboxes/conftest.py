"""One sandbox for all tests of this folder: its engines and its compiler process take a moment to make."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from caxton_plugins.sandboxes.wasm import WasmSandbox


@pytest.fixture(scope="package")
def sandbox() -> Iterator[WasmSandbox]:
    """Yield a sandbox with a cache of its own."""
    made = WasmSandbox()
    yield made
    made.close()
