"""Deployments and crashes: one that was cut off is over, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from typing import Any

from caxton_core.errors import StartFailed
from caxton_core.ports import Fault
from caxton_core.resources import Manifest

from tests.server.runtime.nodes import Bench, Message, Script, Tools
from tests.server.runtime.test_deployments import parked


async def test_a_deployment_that_a_crash_cut_off_is_over() -> None:
    """It has failed when its version was not in place yet; the agent is what it was before."""
    bench = await Bench().start()

    def start(_config: Message, _tools: Tools) -> Any:
        yield

    await bench.deploy("agent", Script(), version="1")
    data = bench.scripts.add("second", Script(start=start))
    parsed = Manifest.parse({"name": "agent", "version": "2"}).unwrap()
    task = asyncio.ensure_future(bench.node.update(parsed, data))
    await parked(bench)
    again = await bench.again().start()
    states = [view.state for view in (await again.node.deployments(limit=9, cursor=None)).items]
    assert states == ["running", "failed"]
    assert again.node.agent("agent").unwrap().version == "1"
    task.cancel()


async def test_versions_that_never_started_do_not_hinder_a_node() -> None:
    """After refused deployments under one name the node starts again, and shows the agent that has the name in the directory."""
    bench = await Bench().start()
    bad = Script(start=lambda _config, _tools: Fault("agent-error", "no"))
    manifest = {"name": "agent", "services": [{"type": "pricing"}]}
    for number in range(2):
        data = bench.scripts.add(f"bad {number}", bad)
        refused = await bench.node.deploy(Manifest.parse(manifest).unwrap(), data)
        assert isinstance(refused.failure(), StartFailed)
    again = await bench.again().start()
    assert again.node.agents().items == []
    await again.deploy("agent", services=[{"type": "pricing"}])
    assert [each.agent for each in again.node.directory().items] == ["agent@caxton"]
    third = await again.again(seed=9).start()
    assert [each.agent for each in third.node.directory().items] == ["agent@caxton"]


async def test_a_refused_deployment_is_no_later_agent() -> None:
    """An agent deployed under a name that a refused deployment had keeps its entry in the directory over a restart."""
    bench = await Bench().start()
    bad = bench.scripts.add("bad", Script(start=lambda _config, _tools: Fault("agent-error", "no")))
    refused = await bench.node.deploy(Manifest.parse({"name": "agent"}).unwrap(), bad)
    assert isinstance(refused.failure(), StartFailed)
    await bench.deploy("agent", services=[{"type": "pricing"}])
    again = await bench.again().start()
    assert [each.agent for each in again.node.directory().items] == ["agent@caxton"]


async def test_a_deployment_under_way_asks_nothing_of_a_stopped_node() -> None:
    """An update that waits for a step while the node stops does not call the instance that the node has closed."""
    bench = await Bench().start()
    cell = await bench.deploy("agent", Script(export=b"state"))
    data = bench.scripts.add("second", Script())
    manifest = Manifest.parse({"name": "agent", "version": "2"}).unwrap()
    cell.parked = True
    update_ = asyncio.ensure_future(bench.node.update(manifest, data))
    await asyncio.sleep(0.05)
    await bench.node.stop()
    cell.parked = False
    await asyncio.wait({update_})
    assert update_.cancelled() or update_.exception() is None
