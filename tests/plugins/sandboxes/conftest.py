"""One sandbox for all tests of this folder: its engines and its compiler process take a moment to make."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from caxton_plugins.sandboxes.components import ComponentSandbox
from caxton_plugins.sandboxes.wasm import WasmSandbox

PATHS = ["python", "native"] if importlib.util.find_spec("caxton_native") else ["python"]
"""The paths of a message that are installed: what holds for one must hold for the other."""


@pytest.fixture(scope="package", params=PATHS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[WasmSandbox]:
    """Yield a sandbox with a cache of its own, once for each path of a message."""
    made = WasmSandbox(native=request.param == "native")
    yield made
    made.close()


@pytest.fixture(scope="package")
def component_sandbox() -> Iterator[ComponentSandbox]:
    """Yield a sandbox for components with a cache of its own."""
    made = ComponentSandbox()
    yield made
    made.close()
