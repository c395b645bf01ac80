"""The registry: plugins found by their entry points, checked, and every mistake named."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from caxton_core import registry
from caxton_core.errors import (
    BrokenPlugin,
    DuplicatePlugin,
    IncompatiblePlugin,
    PluginError,
    UnknownProtocol,
)
from caxton_core.hookspecs import SandboxKind, StorageKind, hookimpl
from caxton_core.registry import Plugin, Registry
from caxton_plugins.protocols.request import PROTOCOL
from caxton_plugins.strategies.direct import DirectStrategy
from returns.result import Failure, Success

ROOT = Path(__file__).parents[2]


def never(options: object) -> Any:
    """Make nothing: no test here opens anything."""
    raise AssertionError(options)


def plugin(api: object = 1, **hooks: Any) -> ModuleType:
    """Return a plugin whose hooks give these answers; an exception as an answer is raised."""

    def implement(answer: Any) -> Any:
        def hook() -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return hookimpl(hook)

    module = ModuleType("plugin")
    vars(module).update({f"caxton_{name}": implement(answer) for name, answer in hooks.items()})
    vars(module)["caxton_api"] = api
    return module


def load(*, block: Sequence[str] = (), **plugins: object) -> Registry:
    """Load these plugins and no installed ones."""
    return registry.load(more=plugins, block=block, group="").unwrap()


def refusals(**plugins: object) -> tuple[PluginError, ...]:
    """Return why these plugins can't be loaded together."""
    return registry.load(more=plugins, group="").failure()


MEMORY = StorageKind("memory", ("memory",), never)
WASM = SandboxKind("wasm", ("strict", "standard"), never)


def test_hook_caxton_storages() -> None:
    """Storages are found by their name's list and by the scheme of a URL."""
    loaded = load(a=plugin(storages=[MEMORY]))
    assert loaded.storages() == (MEMORY,)
    assert (loaded.storage("memory"), loaded.storage("redis")) == (MEMORY, None)


def test_hook_caxton_sandboxes() -> None:
    """Sandboxes are found by the profile of a manifest."""
    loaded = load(a=plugin(sandboxes=(WASM,)))
    assert loaded.sandboxes() == (WASM,)
    assert (loaded.sandbox("standard"), loaded.sandbox("lua")) == (WASM, None)


def test_hook_caxton_protocols() -> None:
    """Protocols are found by name; an unknown one is an error with the nearest known one."""
    loaded = load(a=plugin(protocols=[PROTOCOL]))
    assert loaded.protocols() == (PROTOCOL,)
    assert loaded.protocol("fipa-request") == Success(PROTOCOL)
    assert loaded.protocol("fipa-reqest") == Failure(UnknownProtocol("fipa-reqest", "fipa-request"))


def test_hook_caxton_strategies() -> None:
    """Strategies are found by name."""
    direct = DirectStrategy()
    loaded = load(a=plugin(strategies=[direct]))
    assert loaded.strategies() == (direct,)
    assert (loaded.strategy("direct"), loaded.strategy("canary")) == (direct, None)


def test_each_hook_has_its_test() -> None:
    """Every hook that is declared has a test here, named for it."""
    from caxton_core import hookspecs

    hooks = {name for name in vars(hookspecs) if name.startswith("caxton_")}
    assert hooks == {
        name.removeprefix("test_hook_") for name in globals() if name.startswith("test_hook_")
    }
    assert hooks == set(registry._KINDS)


def test_several_plugins_add_up() -> None:
    """What plugins bring is gathered, and each plugin says what it brought."""
    loaded = load(
        a=plugin(storages=[MEMORY], protocols=[PROTOCOL]), b=plugin(sandboxes=[WASM]), c=plugin()
    )
    assert loaded.plugins() == (
        Plugin("a", provides=("storage:memory", "protocol:fipa-request")),
        Plugin("b", provides=("sandbox:wasm",)),
        Plugin("c"),
    )


def test_a_blocked_plugin_is_left_out() -> None:
    """A blocked plugin brings nothing, may be wrong, and is still listed."""
    loaded = load(a=plugin(storages=[MEMORY]), b=plugin(api=99, storages=[MEMORY]), block=["b"])
    assert loaded.storages() == (MEMORY,)
    assert loaded.plugins()[1] == Plugin("b", blocked=True)


@pytest.mark.parametrize(("api", "wants"), [(2, "2"), ("1", "1"), (None, "nothing")])
def test_a_plugin_for_another_version_is_refused(api: object, wants: str) -> None:
    """A plugin says for which version of the hooks it was written; another one is refused by name."""
    (error,) = refusals(a=plugin(api=api))
    assert error == IncompatiblePlugin("a", wants, 1)
    assert str(error) == f"Plugin a has caxton_api = {wants}; this Caxton offers 1."


def test_two_plugins_with_one_name_are_refused() -> None:
    """A storage, scheme, profile or protocol that comes twice keeps the node from starting, and all are named."""
    other = StorageKind("memory", ("memory", "mem"), never)
    luau = SandboxKind("lua", ("strict",), never)
    errors = refusals(
        a=plugin(storages=[MEMORY], sandboxes=[WASM], protocols=[PROTOCOL]),
        b=plugin(storages=[other], sandboxes=[luau], protocols=[PROTOCOL]),
    )
    assert set(errors) == {
        DuplicatePlugin("storage", "memory", ("a", "b")),
        DuplicatePlugin("storage URL scheme", "memory", ("a", "b")),
        DuplicatePlugin("sandbox profile", "strict", ("a", "b")),
        DuplicatePlugin("protocol", "fipa-request", ("a", "b")),
    }
    assert "more than one plugin: a, b" in str(errors[0])


def test_a_hook_that_raises_is_an_error() -> None:
    """Whatever a plugin raises becomes an error that names the plugin and the hook."""
    (error,) = refusals(a=plugin(storages=RuntimeError("no disk")))
    assert error == BrokenPlugin("a", "caxton_storages raised RuntimeError: no disk")


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (["memory"], "caxton_storages returned str, not a storage"),
        ([None], "caxton_storages returned NoneType, not a storage"),
        (5, "caxton_storages raised TypeError: 'int' object is not iterable"),
    ],
)
def test_a_hook_that_returns_something_else_is_an_error(answer: object, detail: str) -> None:
    """What a hook returns is checked before anything uses it."""
    assert refusals(a=plugin(storages=answer)) == (BrokenPlugin("a", detail),)


def test_a_hook_nobody_calls_is_an_error() -> None:
    """A misspelt hook is no silence: the plugin is refused."""
    (error,) = refusals(a=plugin(storage=[MEMORY]))
    assert isinstance(error, BrokenPlugin)
    assert "caxton_storage" in error.detail


def test_a_plugin_must_be_hashable() -> None:
    """The plugin manager keeps plugins in sets: an object that can't be is refused."""
    (error,) = refusals(a=SimpleNamespace(caxton_api=1))
    assert error == BrokenPlugin("a", "a SimpleNamespace can't be told from others: it has no hash")


def test_all_errors_come_together() -> None:
    """One start names everything that is wrong with the plugins."""
    errors = refusals(a=plugin(api=2), b=plugin(strategies=ValueError()), c=plugin(protocols=[1]))
    assert {type(error) for error in errors} == {IncompatiblePlugin, BrokenPlugin}
    assert len(errors) == 3


def test_calls_are_traced_on_demand() -> None:
    """Given a writer, every hook call is written to it."""
    lines: list[str] = []
    registry.load(more={"a": plugin(storages=[MEMORY])}, group="", trace=lines.append).unwrap()
    assert any("caxton_storages" in line for line in lines)


def install(folder: Path, name: str, entry_points: str, source: str) -> None:
    """Lay out a distribution as an installer would."""
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[caxton-tests]\n{entry_points}\n")


GOOD = """
from caxton_core.hookspecs import StorageKind, hookimpl
caxton_api = 1

@hookimpl
def caxton_storages():
    return [StorageKind("stone", ("stone",), None)]
"""


def test_installed_plugins_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with an entry point is loaded, and its name and version are known."""
    install(tmp_path, "caxton_stone", "stone = caxton_stone", GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    loaded = registry.load(group="caxton-tests").unwrap()
    assert loaded.plugins() == (
        Plugin("stone", "caxton_stone", "1.5", provides=("storage:stone",)),
    )


def test_an_installed_plugin_that_does_not_import_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin whose import fails is named, with why; blocked, it is not even imported."""
    install(tmp_path, "caxton_sand", "sand = caxton_sand", "raise OSError('no sand')")
    monkeypatch.syspath_prepend(tmp_path)
    (error,) = registry.load(group="caxton-tests").failure()
    assert error == BrokenPlugin("sand", "it can't be imported: OSError: no sand")
    assert registry.load(group="caxton-tests", block=["sand"]).unwrap().plugins()[0].blocked


def test_two_installed_plugins_with_one_name_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two distributions that use the same entry-point name are refused, and both modules named."""
    install(tmp_path, "caxton_clay", "earth = caxton_clay", GOOD)
    install(tmp_path, "caxton_loam", "earth = caxton_loam", GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    (error,) = registry.load(group="caxton-tests").failure()
    assert error == DuplicatePlugin("plugin", "earth", ("caxton_clay", "caxton_loam"))


def test_the_same_plugin_found_twice_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editable install beside a wheel shows the same entry point twice: that is no duplicate."""
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        install(folder, "caxton_gravel", "gravel = caxton_gravel", GOOD)
        monkeypatch.syspath_prepend(folder)
    assert len(registry.load(group="caxton-tests").unwrap().plugins()) == 1


def test_a_given_plugin_replaces_the_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embedders can stand in for an installed plugin."""
    install(tmp_path, "caxton_chalk", "chalk = caxton_chalk", "raise OSError")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = registry.load(group="caxton-tests", more={"chalk": plugin()}).unwrap()
    assert loaded.plugins() == (Plugin("chalk"),)


def test_the_built_in_plugins_load() -> None:
    """Every entry point of this distribution leads to a plugin that loads beside the others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    modules = {
        name: importlib.import_module(module)
        for name, module in project["entry-points"]["caxton"].items()
    }
    loaded = registry.load(more=modules, group="").unwrap()
    assert all(each.provides for each in loaded.plugins())
    assert {kind.name for kind in loaded.storages()} >= {"memory", "sqlite"}
    assert {protocol.name for protocol in loaded.protocols()} >= {
        "fipa-request",
        "fipa-contract-net",
    }
    assert {kind.name for kind in loaded.sandboxes()} >= {"wasm", "inprocess"}
    assert {strategy.name for strategy in loaded.strategies()} >= {"direct"}
