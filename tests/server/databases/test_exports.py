"""Exports: what a node shows is what its database gives, while it works and of a span of time."""

from __future__ import annotations

import pytest
from caxton_core.errors import StorageFault
from caxton_core.ports import Group
from caxton_plugins.storages.memory import MemoryStorage
from caxton_server.databases.exports import KINDS, Times, export

from tests.server.databases.samples import START, fill
from tests.server.runtime.nodes import Bench, Script


async def test_a_nodes_work_is_exported() -> None:
    """Messages both ways, an ended and an open conversation, its agents, events, and what could not be handled."""
    bench = await Bench().start()
    await bench.deploy(
        "answers", Script(lambda message, _: {"performative": "inform", "content": 5})
    )
    await bench.deploy("rests", Script())
    ended = bench.post("answers", "request", protocol="fipa-request").conversation_id
    bench.settle()
    open_ = bench.post("rests", "request", protocol="fipa-request").conversation_id
    bench.settle()
    bench.node.kernel.journal.settle()
    bench.node.kernel.journal.reader.last_group()
    protocols = bench.node.conversations_.protocols
    storage = bench.node.storage
    found = list(export(storage, list(KINDS), Times(), protocols))
    messages = [one for one in found if one["what"] == "message"]
    assert [one["conversation_id"] for one in messages] == [ended, ended, open_]
    assert [one["receiver"].partition("@")[0] for one in messages] == ["answers", "api", "rests"]
    conversations = {one["id"]: one for one in found if one["what"] == "conversation"}
    assert conversations[ended]["outcome"] == "success"
    assert (conversations[open_]["phase"], conversations[open_]["participants"]) == (
        "in-progress",
        ["rests@caxton"],
    )
    assert (
        conversations[open_]["state"]
        == bench.node.conversations_.view(bench.node.conversations_.open[open_]).state
    )
    assert {one["name"] for one in found if one["what"] == "agent"} == {"answers", "rests"}
    assert {one["type"] for one in found if one["what"] == "event"} >= {"agent.started"}
    await bench.node.stop()


def test_nothing_is_made_up_for_what_can_not_be_read() -> None:
    """Messages end at a corrupt group with a fault, in both ways of reading."""
    storage = MemoryStorage()
    fill(storage)
    broken = storage._groups[6]
    storage._groups[6] = Group(broken.seq, broken.first_time, broken.last_time, 1, 1, broken.blob)
    for times in (Times(), Times(START, START + 99)):
        documents = export(storage, ["messages"], times, {})
        assert [next(documents)["serial"] for _ in range(6)] == [1, 2, 3, 4, 5, 6]
        with pytest.raises(StorageFault):
            next(documents)
