"""What the tests of the examples share: compiled agents, and one sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.e2e.conftest import installed, nodes
from tests.examples.compilers import Compiled

__all__ = ["installed", "nodes"]


@pytest.fixture(scope="session")
def compiled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], bytes]:
    """Compile sources, each once."""
    cache = getattr(request.config, "cache", None)
    folder = tmp_path_factory.mktemp("guests") if cache is None else cache.mkdir("caxton-guests")
    return Compiled(Path(folder))


@pytest.fixture(scope="session")
def sandbox() -> Iterator[WasmSandbox]:
    """Yield the real sandbox; it compiles each module once."""
    made = WasmSandbox()
    yield made
    made.close()
