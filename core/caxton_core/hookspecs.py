"""The hooks by which plugins add to Caxton: storages, sandboxes, protocols, strategies.

A plugin is a module (or an object) named by an entry point of the group `caxton`; it says for which version of this
file it was written and implements any of the hooks below:

    # pyproject.toml
    [project.entry-points.caxton]
    redis = "caxton_redis"

    # caxton_redis.py
    from caxton_core.hookspecs import StorageKind, hookimpl

    caxton_api = 1

    @hookimpl
    def caxton_storages():
        return [StorageKind("redis", ("redis", "rediss"), make_storage)]

Rules:
- Hooks are called once, while a node starts, before anything is opened; never per message.
- A hook returns a list or tuple of what its plugin adds; a name that two plugins add keeps the node from starting.
- Hooks must not block or touch the network: what they return does, when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import pluggy
from returns.result import Result

from caxton_core.budgets import Budget
from caxton_core.conversations import Protocol
from caxton_core.deployments import Strategy
from caxton_core.errors import InvalidSetting, StorageError
from caxton_core.examinations import Finding
from caxton_core.nesting import Codec
from caxton_core.ports import Durability, Sandbox, Storage

API: Final = 1
"""The version of this file: a plugin's `caxton_api` must equal it."""

NAME: Final = "caxton"
"""The name of the entry-point group and of the plugin manager's project."""

hookspec = pluggy.HookspecMarker(NAME)
hookimpl = pluggy.HookimplMarker(NAME)
"""Marks a function of a plugin as the implementation of the hook of the same name."""


class StorageOptions(msgspec.Struct, frozen=True):
    """What a storage is made from: the configured URL, the durability asked for, the plugin's own settings.

    A storage that is `read_only` is opened beside a node that may be writing: it takes nothing from it, creates and
    migrates nothing, and fails to write. Tables of another version than this Caxton's are refused.
    """

    url: str
    durability: Durability
    settings: Mapping[str, Any] = {}
    read_only: bool = False


class SandboxOptions(msgspec.Struct, frozen=True):
    """What a sandbox is made from: a folder of its own to cache in ("" for none), the plugin's own settings, the budget.

    A sandbox that enters its instances in the budget, and says when they grow, keeps to `runtime.node_memory`.
    """

    cache: str = ""
    settings: Mapping[str, Any] = {}
    budget: Budget = msgspec.field(default_factory=Budget)


MakeStorage: TypeAlias = Callable[[StorageOptions], Result[Storage, StorageError | InvalidSetting]]
MakeSandbox: TypeAlias = Callable[[SandboxOptions], Result[Sandbox, InvalidSetting]]
Examine: TypeAlias = Callable[[SandboxOptions], Sequence[Finding]]


class StorageKind(msgspec.Struct, frozen=True):
    """A storage back-end: its name, the URL schemes that choose it, and what makes one (without opening it)."""

    name: str
    schemes: tuple[str, ...]
    make: MakeStorage


class SandboxKind(msgspec.Struct, frozen=True):
    """A sandbox: its name, the manifest profiles it runs, what makes one, and the codecs its guests can be given.

    `examine` looks at what it depends on for `caxton doctor`: it may take seconds, and makes nothing that stays.
    """

    name: str
    profiles: tuple[str, ...]
    make: MakeSandbox
    codecs: tuple[Codec, ...] = ("json", "msgpack")
    examine: Examine | None = None


@hookspec
def caxton_storages() -> Sequence[StorageKind]:
    """Called while a node starts, before its storage is opened.

    :return: the storage back-ends this plugin adds. The one whose schemes contain the scheme of `storage.url` is
        made and opened; what `make` returns must implement `caxton_core.ports.Storage` and pass its contract suite
        (`caxton_core.testing_storages`).

    Example::

        @hookimpl
        def caxton_storages():
            def make(options):
                return Success(RedisStorage(options.url))
            return [StorageKind("redis", ("redis",), make)]
    """
    raise NotImplementedError


@hookspec
def caxton_sandboxes() -> Sequence[SandboxKind]:
    """Called while a node starts, before its agents are loaded.

    :return: the sandboxes this plugin adds. The one whose profiles contain a manifest's `profile` checks and runs
        its module; what `make` returns must implement `caxton_core.ports.Sandbox`.

    Example::

        @hookimpl
        def caxton_sandboxes():
            def make(options):
                return Success(LuaSandbox(options.cache))
            return [SandboxKind("lua", ("lua",), make)]
    """
    raise NotImplementedError


@hookspec
def caxton_protocols() -> Sequence[Protocol]:
    """Called while a node starts, before its conversations are recovered.

    :return: the interaction protocols this plugin adds: their tables and the few rules a table can't say. Names and
        aliases must be new.

    Example::

        PING = Table("x-ping", PingState.INITIAL, ASK, ANSWER)

        @hookimpl
        def caxton_protocols():
            return [Protocol("x-ping", PING)]
    """
    raise NotImplementedError


@hookspec
def caxton_strategies() -> Sequence[Strategy]:
    """Called while a node starts, before its rollouts go on.

    :return: the deployment strategies this plugin adds: pure objects with a name and
        `decide(deployment, observation)`, which returns effects.

    Example::

        @hookimpl
        def caxton_strategies():
            return [FridayStrategy()]
    """
    raise NotImplementedError
