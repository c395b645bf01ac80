"""The sandbox `component`: agents as WebAssembly components of the world `caxton:agent/agent@1.0.0`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caxton_core.hookspecs import SandboxKind, SandboxOptions, hookimpl
from returns.result import Result, Success

from caxton_plugins.sandboxes.compilation.examinations import probes
from caxton_plugins.sandboxes.components.engines import PROFILE
from caxton_plugins.sandboxes.components.sandbox import ComponentSandbox

if TYPE_CHECKING:
    from caxton_core.errors import InvalidSetting
    from caxton_core.examinations import Finding
    from caxton_core.ports import Sandbox

__all__ = ["ComponentSandbox", "caxton_api", "caxton_sandboxes"]

caxton_api = 1


def make(options: SandboxOptions) -> Result[Sandbox, InvalidSetting]:
    """Make the sandbox; its compiler process and its engine start when a component first needs them."""
    return Success(ComponentSandbox(options.cache, budget=options.budget))


def examine(_options: SandboxOptions) -> list[Finding]:
    """Build the engine of components in a child process; what else they depend on the sandbox `wasm` looks at."""
    return probes([PROFILE])


@hookimpl
def caxton_sandboxes() -> list[SandboxKind]:
    """Offer components in the one profile there is for them."""
    return [SandboxKind("component", (PROFILE,), make, ("json",), examine=examine)]
