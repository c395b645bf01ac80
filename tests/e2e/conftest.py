"""What the end-to-end tests share: one node for a module of tests, and nodes of one's own."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.nodes import Api, Node
from tests.e2e.wat import echo


@pytest.fixture(scope="session")
def installed() -> None:
    """Skip where Caxton is only on the path: its plugins are found through entry points."""
    if not importlib.metadata.entry_points(group="caxton"):
        pytest.skip("the distribution is not installed")


@pytest.fixture(scope="module")
def shared(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Run one node for all tests of a module, with an agent that answers."""
    node = Node(tmp_path_factory.mktemp("node"))
    node.api.agent("echo", echo())
    yield node
    assert node.stop() == 0, node.log
    assert "Traceback" not in node.log


@pytest.fixture
def api(shared: Node) -> Iterator[Api]:
    """Give a client of the shared node; whatever a test does to it, it must still serve afterwards."""
    yield shared.api
    assert shared.api.call("GET", "/livez").status == 200
    assert shared.api.ask("echo")["content"] == "here", shared.log


@pytest.fixture
def nodes(installed: None, tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Start nodes of a test's own; those that still run are stopped."""
    started: list[Node] = []

    def start(**environ: str) -> Node:
        folder = tmp_path / f"node-{len(started)}"
        folder.mkdir()
        started.append(Node(folder, **environ))
        return started[-1]

    yield start
    for node in started:
        node.stop()
