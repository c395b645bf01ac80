"""The sandbox `wasm`: agents as WebAssembly core modules, guest ABI version 1 (contract.md section 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core.errors import InvalidSetting
from caxton_core.hookspecs import SandboxKind, SandboxOptions, hookimpl
from returns.result import Failure, Result, Success

from caxton_plugins.sandboxes.wasm.engines import PROFILES
from caxton_plugins.sandboxes.wasm.sandbox import WasmSandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caxton_core.examinations import Finding
    from caxton_core.ports import Sandbox

__all__ = ["WasmSandbox", "caxton_api", "caxton_sandboxes"]

caxton_api = 1


def make(options: SandboxOptions) -> Result[Sandbox, InvalidSetting]:
    """Make the sandbox; its compiler process starts at once, in the background."""
    native = options.settings.get("native", "auto")
    if native not in ("auto", "off", False):  # YAML reads a bare off as false
        return Failure(
            InvalidSetting("plugins.settings.wasm", "native", f"{native!r} is neither auto nor off")
        )
    sandbox = WasmSandbox(options.cache, native=native == "auto", budget=options.budget)
    sandbox.warm()
    return Success(sandbox)


def examine(options: SandboxOptions) -> Sequence[Finding]:
    """Look at engines, library and limits, for `caxton doctor`."""
    from caxton_plugins.sandboxes.wasm import examinations  # a node that runs needs none of it

    return examinations.examine(options)


@hookimpl
def caxton_sandboxes() -> list[SandboxKind]:
    """Offer core modules in both profiles."""
    return [SandboxKind("wasm", tuple(PROFILES), make, examine=examine)]
