"""When the node's memory is used up: who is refused, who is not, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from caxton_core.budgets import OVERHEAD, Budget
from caxton_core.errors import LimitExceeded
from caxton_core.resources import Manifest
from caxton_core.units import ByteSize
from caxton_server.client import Client
from caxton_server.config import Config
from caxton_server.config_sections import RuntimeConfig, ServerConfig, StorageConfig

from tests.server.rest.conftest import Hosted
from tests.server.rest.guests import silent, trapping
from tests.server.runtime.nodes import Bench, Script, control

PAGE = 65_536
ROOM_FOR_TWO = ByteSize(2 * (2 * PAGE + OVERHEAD) + PAGE)


async def full() -> Bench:
    """Return a node with one agent, and no memory for another."""
    bench = await Bench().start()
    await bench.deploy("agent")
    bench.node.kernel.budget = budget = Budget(PAGE)
    budget.grew(PAGE)
    return bench


async def events(bench: Bench) -> list[dict[str, Any]]:
    """Return the data of the events that tell of refusals."""
    published = [view async for view in bench.node.event_log._stored(0)]
    return [view.data for view in published if view.type == "node.memory_exceeded"]


async def test_a_deploy_that_does_not_fit_is_refused_before_anything_is_made() -> None:
    """Neither an agent nor a deployment is left behind, of a first version or a later one; both are told of."""
    bench = await full()
    data = bench.scripts.add("late", Script())
    before = (await bench.node.deployments(limit=10, cursor=None)).items
    refused = await bench.node.deploy(Manifest.parse({"name": "late"}).unwrap(), data)
    error = LimitExceeded("runtime.node_memory", PAGE, PAGE + OVERHEAD)
    assert refused.failure() == error
    update = Manifest.parse({"name": "agent", "version": "2"}).unwrap()
    assert (await bench.node.update(update, data)).failure() == error
    assert [cell.name for cell in bench.node.kernel.cells.values()] == ["agent"]
    assert bench.cell("agent").manifest.version == "0.0.0"
    assert (await bench.node.deployments(limit=10, cursor=None)).items == before
    assert [event["agent"] for event in await events(bench)] == ["late@caxton", "agent@caxton"]
    assert (await events(bench))[0]["attempted"] == PAGE + OVERHEAD
    assert bench.node.sample().memory_refusals == 2


async def test_an_operator_can_start_only_what_fits() -> None:
    """A stopped agent stays stopped; one that is restarted gives up its old instance first, so it fits."""
    bench = await full()
    assert await control(bench, "restart") == "running"
    await control(bench, "stop")
    assert isinstance(await control(bench, "start"), LimitExceeded)
    assert bench.cell("agent").state == "stopped"
    bench.node.kernel.budget.grew(-PAGE)
    assert await control(bench, "start") == "running"


async def test_what_ran_is_started_again_in_any_case() -> None:
    """A lower limit, or memory that others have taken meanwhile, ends no agent after a restart of the node."""
    bench = await full()
    again = bench.again()
    again.node.budget = Budget(1)
    await again.start()
    assert again.cell("agent").state == "running"


async def test_a_suspended_one_that_is_resumed_is_not_asked_again() -> None:
    """It has its instance all the time."""
    bench = await full()
    assert await control(bench, "suspend") == "suspended"
    assert await control(bench, "resume") == "running"


@pytest.fixture(scope="module")
def small() -> Iterator[Client]:
    """Run a whole server that has room for two agents."""
    config = Config(
        server=ServerConfig(port=0, metrics_port=0),
        storage=StorageConfig(url="memory:", durability="memory"),
        runtime=RuntimeConfig(node_memory=ROOM_FOR_TWO),
    )
    host = Hosted(config)
    host.start().unwrap()
    client = Client(host.server.url)
    yield client
    client.close()
    host.stop()


def test_the_third_of_two_is_refused_with_the_figures(small: Client) -> None:
    """Over REST it is 422 limit_exceeded; health counts what is used, and removing one makes room."""
    for name in ("one", "two"):
        small.deploy({"name": name}, silent()).unwrap()
    refused: Any = small.deploy({"name": "three"}, silent()).failure()
    assert (refused.status, refused.code) == (422, "limit_exceeded")
    assert f"runtime.node_memory of {ROOM_FOR_TWO}" in refused.detail
    used = 2 * (2 * PAGE + OVERHEAD)
    memory = small.health().unwrap().memory
    assert (memory.used, memory.limit) == (used, ROOM_FOR_TWO)
    small.remove_agent("one").unwrap()
    small.deploy({"name": "three"}, silent()).unwrap()
    assert small.health().unwrap().memory.used == used


def test_the_traps_of_an_agent_are_counted_apart(small: Client) -> None:
    """Its stats say how many of its faults were traps, and a restart takes memory only once."""
    small.remove_agent("two").unwrap()
    small.deploy({"name": "bad"}, trapping()).unwrap()
    message = {"performative": "inform", "receiver": "bad"}
    reply = small.call(
        "POST", "/api/v1/messages?wait=5s", dict[str, Any],
        body=b'{"performative": "request", "receiver": "bad"}',
    ).unwrap()  # fmt: skip
    assert message["receiver"] in str(reply)
    stats = small.stats("bad").unwrap()
    assert (stats.faults, stats.traps) == (1, 1)
    assert small.stats("three").unwrap().traps == 0
