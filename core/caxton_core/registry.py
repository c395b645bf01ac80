"""What the plugins bring: found, checked and gathered once, while a node starts.

Rules:
- Nobody else calls the plugin manager; everybody else gets typed values from a `Registry`.
- Built-in plugins come through the same entry points as a stranger's and are checked alike.
- Every way in which a plugin can be wrong is an error value, and all of them are reported together. Only here is
  every exception caught: a plugin is somebody else's code and may raise whatever it likes.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec
import pluggy
from returns.result import Failure, Result, Success

from caxton_core import hookspecs
from caxton_core.conversations import Protocol
from caxton_core.deployments import Strategy
from caxton_core.documents import nearest
from caxton_core.errors import (
    BrokenPlugin,
    DuplicatePlugin,
    IncompatiblePlugin,
    PluginError,
    UnknownProtocol,
)
from caxton_core.hookspecs import API, NAME, SandboxKind, StorageKind

T = TypeVar("T")

_KINDS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "caxton_storages": ("storage", lambda item: isinstance(item, StorageKind)),
    "caxton_sandboxes": ("sandbox", lambda item: isinstance(item, SandboxKind)),
    "caxton_protocols": ("protocol", lambda item: isinstance(item, Protocol)),
    # A strategy is any object with the two members of the port.
    "caxton_strategies": (
        "strategy",
        lambda item: (
            isinstance(getattr(item, "name", None), str) and callable(getattr(item, "decide", None))
        ),
    ),
}


class Plugin(msgspec.Struct, frozen=True):
    """A plugin that was found: its entry point, the distribution it came from, and what it adds."""

    name: str
    distribution: str = ""
    version: str = ""
    blocked: bool = False
    provides: tuple[str, ...] = ()


class Registry:
    """Everything the plugins of one node add, by name."""

    def __init__(self, plugins: tuple[Plugin, ...], found: Mapping[str, Mapping[str, Any]]) -> None:
        self._plugins = plugins
        self._storages: Mapping[str, StorageKind] = found["caxton_storages"]
        self._sandboxes: Mapping[str, SandboxKind] = found["caxton_sandboxes"]
        self._protocols: Mapping[str, Protocol] = found["caxton_protocols"]
        self._strategies: Mapping[str, Strategy] = found["caxton_strategies"]

    def plugins(self) -> tuple[Plugin, ...]:
        """Return every plugin found, the blocked ones too."""
        return self._plugins

    def storages(self) -> tuple[StorageKind, ...]:
        """Return the storage back-ends."""
        return tuple(self._storages.values())

    def sandboxes(self) -> tuple[SandboxKind, ...]:
        """Return the sandboxes."""
        return tuple(self._sandboxes.values())

    def protocols(self) -> tuple[Protocol, ...]:
        """Return the interaction protocols."""
        return tuple(self._protocols.values())

    def strategies(self) -> tuple[Strategy, ...]:
        """Return the deployment strategies."""
        return tuple(self._strategies.values())

    def storage(self, scheme: str) -> StorageKind | None:
        """Return the storage back-end that a URL scheme chooses."""
        return next((kind for kind in self._storages.values() if scheme in kind.schemes), None)

    def sandbox(self, profile: str) -> SandboxKind | None:
        """Return the sandbox that runs a manifest's profile."""
        return next((kind for kind in self._sandboxes.values() if profile in kind.profiles), None)

    def protocol(self, name: str) -> Result[Protocol, UnknownProtocol]:
        """Return a protocol by its name or an alias."""
        for protocol in self._protocols.values():
            if name in protocol.names:
                return Success(protocol)
        return Failure(UnknownProtocol(name, nearest(name, self._protocols)))

    def strategy(self, name: str) -> Strategy | None:
        """Return a strategy by its name."""
        return self._strategies.get(name)


def load(
    *,
    block: Collection[str] = (),
    more: Mapping[str, object] | None = None,
    trace: Callable[[str], None] | None = None,
    group: str = NAME,
) -> Result[Registry, tuple[PluginError, ...]]:
    """Find, check and ask all plugins.

    Args:
        block: names of plugins to leave out.
        more: plugins that have no entry point, by name (for embedding and tests); they replace those found.
        trace: gets one text for every hook call.
        group: the entry-point group to search; an empty one searches nothing.
    """
    found: list[tuple[Plugin, Any]] = []
    errors: list[PluginError] = []
    given = dict(more or {})
    for name, point in _entry_points(group, given, errors):
        plugin = Plugin(
            name, point.dist.name if point.dist else "", point.dist.version if point.dist else ""
        )
        if name in block:
            found.append((msgspec.structs.replace(plugin, blocked=True), None))
            continue
        try:
            found.append((plugin, point.load()))
        except Exception as error:  # noqa: BLE001 - importing runs the plugin's code, which may raise anything
            errors.append(BrokenPlugin(name, f"it can't be imported: {_sentence(error)}"))
    found += [(Plugin(name, blocked=name in block), it) for name, it in given.items()]
    manager = _manager(trace)
    for plugin, it in found:
        if not plugin.blocked and (wrong := _register(manager, plugin.name, it)):
            errors.append(wrong)
    found = [
        (plugin, it) for plugin, it in found if plugin.blocked or manager.has_plugin(plugin.name)
    ]
    added = {hook: _gather(manager, hook, errors) for hook in _KINDS}
    _clashes(added, errors)
    if errors:
        return Failure(tuple(errors))
    plugins = tuple(
        msgspec.structs.replace(
            plugin,
            provides=tuple(
                f"{_KINDS[hook][0]}:{item.name}"
                for hook, items in added.items()
                for owner, item in items
                if owner == plugin.name
            ),
        )
        for plugin, _ in found
    )
    return Success(
        Registry(
            plugins, {hook: {item.name: item for _, item in items} for hook, items in added.items()}
        )
    )


def _entry_points(
    group: str, given: Collection[str], errors: list[PluginError]
) -> Iterator[tuple[str, importlib.metadata.EntryPoint]]:
    """Yield the entry points by name; the same one seen twice (two folders on the path) counts once."""
    points: dict[str, dict[str, importlib.metadata.EntryPoint]] = {}
    for point in importlib.metadata.entry_points(group=group) if group else ():
        points.setdefault(point.name, {}).setdefault(point.value, point)
    for name, by_value in sorted(points.items()):
        if len(by_value) > 1:
            errors.append(DuplicatePlugin("plugin", name, tuple(sorted(by_value))))
        elif name not in given:
            yield name, next(iter(by_value.values()))


def _manager(trace: Callable[[str], None] | None) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(NAME)
    manager.add_hookspecs(hookspecs)
    if trace is not None:
        manager.trace.root.setwriter(trace)
        manager.enable_tracing()
    return manager


def _register(manager: pluggy.PluginManager, name: str, plugin: Any) -> PluginError | None:
    """Check one plugin and hand it to the manager."""
    wants = getattr(plugin, "caxton_api", None)
    if wants != API:
        return IncompatiblePlugin(name, "nothing" if wants is None else str(wants), API)
    if getattr(plugin, "__hash__", None) is None:
        return BrokenPlugin(
            name, f"a {type(plugin).__name__} can't be told from others: it has no hash"
        )
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        return BrokenPlugin(name, _sentence(error))
    return None


def _gather(
    manager: pluggy.PluginManager, hook: str, errors: list[PluginError]
) -> list[tuple[str, Any]]:
    """Call one hook, plugin by plugin, and return (plugin, what it adds)."""
    kind, fits = _KINDS[hook]
    gathered: list[tuple[str, Any]] = []
    plugins = [plugin for _, plugin in manager.list_name_plugin() if plugin is not None]
    for plugin in plugins:
        name = manager.get_name(plugin) or ""
        call = manager.subset_hook_caller(hook, [other for other in plugins if other is not plugin])
        try:
            items = [item for answer in call() for item in answer]
        except Exception as error:  # noqa: BLE001 - a hook is the plugin's code, which may raise anything
            errors.append(BrokenPlugin(name, f"{hook} raised {_sentence(error)}"))
            continue
        for item in items:
            if fits(item):
                gathered.append((name, item))
            else:
                errors.append(
                    BrokenPlugin(name, f"{hook} returned {type(item).__name__}, not a {kind}")
                )
    return gathered


def _clashes(added: Mapping[str, Iterable[tuple[str, Any]]], errors: list[PluginError]) -> None:
    """Report names, schemes and aliases that come more than once."""
    for hook, items in added.items():
        owners: dict[tuple[str, str], list[str]] = {}
        kind = _KINDS[hook][0]
        for owner, item in items:
            for name in {item.name, *getattr(item, "names", ())}:
                owners.setdefault((kind, name), []).append(owner)
            for scheme in set(getattr(item, "schemes", ())):
                owners.setdefault(("storage URL scheme", scheme), []).append(owner)
            for profile in set(getattr(item, "profiles", ())):
                owners.setdefault(("sandbox profile", profile), []).append(owner)
        errors.extend(
            DuplicatePlugin(what, name, tuple(plugins))
            for (what, name), plugins in owners.items()
            if len(plugins) > 1
        )


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
