"""A run of the demo through the API, where it does not go well."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from caxton_core.views import DeployedView
from caxton_server.client import Client
from caxton_server.client_errors import ClientError, Unreachable
from caxton_server.demo.hosts import NotStarted, hosted
from caxton_server.demo.runs import SchedulingFailed, Status, Watcher, run
from caxton_server.demo.shops import manifests
from caxton_server.jobshop import Instance, Operation
from returns.result import Result

TINY = Instance("tiny", 2, ((Operation(0, 3), Operation(1, 2)), (Operation(1, 4), Operation(0, 1))))


class Misconfigured(Client):
    """A client that gives every machine a number that no operation needs."""

    def deploy(
        self,
        manifest: Mapping[str, Any],
        module: bytes | None = None,
        *,
        signature: bytes | None = None,
        key: str | None = None,
    ) -> Result[DeployedView, ClientError]:
        """Deploy, a machine with another configuration than wanted."""
        if manifest["name"].startswith("machine-"):
            manifest = {**manifest, "config": {"machine": 99}}
        return super().deploy(manifest, module, signature=signature, key=key)


class Notes(Watcher):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.agents: list[tuple[int, int]] = []
        self.statuses: list[Status] = []

    def deployed(self, done: int, total: int) -> None:
        """Note a deploy."""
        self.agents.append((done, total))

    def placed(self, status: Status) -> None:
        """Note a status."""
        self.statuses.append(status)


def test_run_tells_how_it_goes(tmp_path: Path) -> None:
    """The watcher hears of every agent and, last, of the finished schedule."""
    notes = Notes()
    with hosted(tmp_path) as url, closing(Client(url)) as client:
        outcome = run(client, TINY, notes).unwrap()
    assert notes.agents == [(done, 5) for done in range(1, 6)]
    assert notes.statuses[-1] == Status(4, 4, outcome.makespan, "done")
    assert (outcome.makespan, outcome.conversations, outcome.messages) == (6, 4, 20)


def test_agents_that_give_up_end_the_run(tmp_path: Path) -> None:
    """When no machine can do the work, the run fails and says how far it came."""
    with hosted(tmp_path) as url, closing(Misconfigured(url)) as client:
        failed = run(client, TINY, Watcher()).failure()
    assert failed == SchedulingFailed(0, 4, "the agents gave up")
    assert str(failed) == "the agents gave up: 0 of 4 operations are placed"


def test_no_server_ends_the_run() -> None:
    """A server that cannot be reached is an error value like any other."""
    failed = run(Client("http://127.0.0.1:1"), TINY, Watcher()).failure()
    assert isinstance(failed, Unreachable)


def test_node_that_does_not_start_says_why(tmp_path: Path) -> None:
    """A data folder that is a file is refused with a sentence that names it."""
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(NotStarted, match="file"), hosted(file):
        pass


def test_agents_of_other_instances_have_other_versions() -> None:
    """The version of the agents tells one instance from another."""
    other = Instance("other", 2, TINY.jobs[::-1])
    [one] = {manifest["version"] for _, manifest in manifests(TINY)}
    [two] = {manifest["version"] for _, manifest in manifests(other)}
    assert one != two
