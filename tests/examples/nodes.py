"""A node in this process with real agents in the real sandbox, whose clock and turns are moved by the test."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from caxton_core import registry
from caxton_core.hookspecs import SandboxKind, hookimpl
from caxton_core.ports import Sandbox, Storage
from caxton_core.resources import Manifest
from caxton_core.testing import FakeClock, SeededEntropy
from caxton_plugins import protocols
from caxton_plugins.sandboxes.wasm import WasmSandbox
from caxton_plugins.storages.memory import MemoryStorage
from caxton_plugins.strategies import direct
from caxton_server.config import Config
from caxton_server.runtime.node import Node
from returns.result import Success

from tests.server.runtime.nodes import Bench, Scripts


class Plugin:
    """The plugin that offers the sandbox of the tests."""

    caxton_api = 1

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    @hookimpl
    def caxton_sandboxes(self) -> list[SandboxKind]:
        """Offer it under both profiles."""
        return [SandboxKind("shared", ("strict", "standard"), lambda _: Success(self.sandbox))]


def _protocols() -> dict[str, Any]:
    """Return every protocol there is."""
    names = [each.name for each in pkgutil.iter_modules(protocols.__path__)]
    modules = {name: importlib.import_module(f"{protocols.__name__}.{name}") for name in names}
    # Beside the plugins stand the deciders of some of them.
    return {name: module for name, module in modules.items() if hasattr(module, "caxton_api")}


class Platform(Bench):
    """A node with real agents."""

    def __init__(
        self, sandbox: WasmSandbox, *, storage: Storage | None = None, clock: FakeClock | None = None, seed: int = 7
    ) -> None:  # fmt: skip
        self.sandbox = sandbox
        self.scripts = Scripts()
        self.clock = clock or FakeClock()
        self.storage: Storage = storage or MemoryStorage()
        found = registry.load(
            more={"shared": Plugin(sandbox), "direct": direct, **_protocols()}, group=""
        ).unwrap()
        self.node = Node(
            Config(), registry=found, storage=self.storage, sandboxes={"shared": sandbox},
            clock=self.clock, entropy=SeededEntropy(seed),
        )  # fmt: skip

    async def killed(self) -> Platform:
        """Return the node that finds what this one has done, as after a kill."""
        journal = self.node.kernel.journal
        journal.settle()
        journal.reader.last_group()
        again = Platform(self.sandbox, storage=self.storage, clock=self.clock, seed=8)
        await again.start()
        return again

    async def agent(self, name: str, module: bytes, **manifest: Any) -> None:
        """Deploy an agent that is given its own name."""
        config = {"name": name, **manifest.pop("config", {})}
        parsed = Manifest.parse({"name": name, "config": config, **manifest}).unwrap()
        (await self.node.deploy(parsed, module)).unwrap()

    def tell(self, name: str, **order: Any) -> None:
        """Tell an agent what to do, and let it happen."""
        self.post(name, content=order)
        self.settle()

    def said(self, name: str) -> list[str]:
        """Return what an agent has logged, without what the platform adds of its refusals."""
        lines = [line.text for line in self.cell(name).logs.read()]
        return [line for line in lines if "not admitted" not in line]

    async def outcomes(self, protocol: str) -> list[str | None]:
        """Return how the conversations of a protocol ended; None is open."""
        shown = await self.node.conversations(protocol=protocol, limit=100)
        return [each.outcome for each in shown.items]

    def kept(self, name: str) -> list[str]:
        """Return the keys of the conversations that an agent keeps a record of, without their ids."""
        keys = [key.decode() for key in self.cell(name).data]
        return sorted(key.partition("/")[0] for key in keys if "/" in key)
