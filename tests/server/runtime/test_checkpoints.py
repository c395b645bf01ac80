"""Checkpoints: a node that starts from one is the node that would have read everything."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from caxton_core.ports import Fault
from caxton_core.units import ByteSize
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.config import Config
from caxton_server.config_sections import StorageConfig

from tests.server.runtime.nodes import Bench, Message, Script, Steps, Tools, control
from tests.server.runtime.recoveries import rebuilt
from tests.server.runtime.test_directory_recovery import kept, step
from tests.server.runtime.worlds import NAMES, World


def alive(bench: Bench) -> dict[str, Any]:
    """Return what a node is made of, but for what it has in memory alone."""
    node = bench.node
    now = bench.clock.time_ms()
    agents = {}
    for cell in node.kernel.cells.values():
        saved = msgspec.structs.replace(cell.saved(0), next_timer=0)
        waiting = [*cell.mailbox.queue, *[each for held in cell.held.values() for each in held]]
        running = cell.running_delivery
        if running is not None:
            waiting.append(running)
        mail = sorted(
            (each.serial, each.attempt, each.due, each.message.id, each.wire, each.time)
            for each in waiting
        )
        agents[cell.name] = (
            saved,
            cell.data,
            cell.data_size,
            cell.timers,
            cell.next_timer,
            mail,
            (cell.restarts, cell.history, max(cell.restart_due, now)),
        )
    conversations = node.conversations_
    return {
        "agents": agents, "serial": node.kernel.serial, "open": conversations.open,
        "closed": dict(conversations.closed), "per_agent": +conversations.per_agent,
    }  # fmt: skip


def some(bits: Iterator[None], chance: random.Random, most: int) -> bool:
    """Write up to so many bits of a checkpoint; tell whether there is more."""
    return all(next(bits, bits) is None for _ in range(chance.randint(0, most)))


@pytest.mark.parametrize("seed", range(8))
async def test_agents_and_conversations_are_the_same_from_a_checkpoint(seed: int) -> None:
    """State, timers, mailboxes, attempts and conversations, whatever happened while the checkpoint was written."""
    world = World(f"checkpoint {seed}")
    chance = random.Random(seed)
    await world.bench.start()
    for number, agent in enumerate(world.agents):
        cell = await world.bench.deploy(
            agent.name, agent.script, deliveries=1 + number % 3, limits={"conversations": 30}
        )
        cell.step.set_timer(60_000 + number, b"tick")
        world.bench.node.performer.succeed(cell, None)
    for _ in range(4):
        before = world.tally["crashes"]
        bits = world.bench.checkpoint()
        while some(bits, chance, 3):
            await world.move()
            if world.tally["crashes"] > before:
                break
        for _ in range(chance.randint(0, 20)):
            await world.move()
        assert alive(await rebuilt(world.bench)) == alive(world.bench)
        assert (
            world.bench.node.kernel.journal.reader.checkpoint() > 1
            or world.tally["crashes"] > before
        )


@pytest.mark.parametrize("seed", range(6))
async def test_the_directory_is_the_same_from_a_checkpoint(seed: int) -> None:
    """Entries, registrations, subscriptions, what is to be told and what is to be answered."""

    def directory(bench: Bench) -> dict[str, Any]:
        found = kept(bench)
        # Where a subscription began is not of interest any more: how far its subscriber was told is.
        found["subscriptions"] = {
            key: msgspec.structs.replace(saved, number=0) for key, saved in found["subscriptions"].items()
        }  # fmt: skip
        return found

    chance = random.Random(seed)
    bench = await Bench(seed=seed).start()
    for count in range(60):
        await step(bench, chance, count)
    for count in range(60, 180, 20):
        bits = bench.checkpoint()
        while some(bits, chance, 2):
            await step(bench, chance, count)
        for more in range(chance.randint(0, 15)):
            await step(bench, chance, count + more)
        assert bench.node.kernel.journal.reader.checkpoint() > 1
        assert directory(await rebuilt(bench)) == directory(bench)


async def test_a_message_that_is_being_handled_is_in_the_checkpoint() -> None:
    """A step that has not ended when the checkpoint is written runs again in the next node, at the attempt it was at."""

    def act(_message: Message, _tools: Tools) -> Steps:
        yield
        return Fault("agent-error", "not yet")

    bench = await Bench().start()
    await bench.deploy("slow", Script(act), deliveries=3)
    bench.post("slow", content="first")
    bench.settle()
    bench.clock.advance(0.2)
    bench.node.timers.fire(bench.node.kernel.tick())
    bench.turn()
    assert bench.cell("slow").running_delivery is not None
    assert list(bench.checkpoint()) == [None]
    assert alive(await rebuilt(bench)) == alive(bench)
    ((_, attempt, *_),) = alive(bench)["agents"]["slow"][-2]
    assert attempt == 2


async def test_numbers_go_on_behind_a_checkpoint() -> None:
    """When nothing is left of any message, the next one still gets a number that none has had."""
    bench = await Bench().start()
    await bench.deploy("agent")
    for _ in range(5):
        bench.post("agent")
    bench.settle()
    list(bench.checkpoint())
    again = await rebuilt(bench)
    assert again.node.kernel.serial == bench.node.kernel.serial == 5


async def test_a_checkpoint_that_was_cut_short_counts_for_nothing() -> None:
    """A node killed in the middle of a checkpoint starts from the one before."""
    bench = await Bench().start()
    for name in NAMES:
        await bench.deploy(name)
    for _ in bench.checkpoint():
        pass
    first = bench.node.kernel.journal.reader.checkpoint()
    await bench.deploy("late")
    bits = bench.checkpoint()
    next(bits)
    again = await rebuilt(bench)
    assert again.node.kernel.journal.reader.checkpoint() == first
    assert sorted(again.node.kernel.directory) == sorted(bench.node.kernel.directory)


async def test_a_running_node_takes_checkpoints_as_its_journal_grows(tmp_path: Path) -> None:
    """When the journal has grown enough one is written while agents work, and the next node begins there."""
    config = Config(storage=StorageConfig(checkpoint=ByteSize(20_000)))
    bench = Bench(storage=SqliteStorage(tmp_path / "caxton.db"), config=config)
    (await bench.node.start()).unwrap()
    script = Script(
        lambda message, tools: (
            tools.host.state_put(b"last", str(message["content"]).encode()) and None
        )
    )
    await bench.deploy("keeper", script)
    for number in range(400):
        body = msgspec.json.encode(
            {"performative": "inform", "receiver": "keeper", "content": f"{number:0200}"}
        )
        (await bench.node.send(body)).unwrap()
    journal = bench.node.kernel.journal
    await journal.readable()
    assert bench.node.kernel.counters.checkpoints >= 2
    began = journal.reader.checkpoint()
    assert began > 1
    assert journal.behind_checkpoint < 60_000
    await bench.node.stop()
    again = Bench(
        storage=SqliteStorage(tmp_path / "caxton.db"), scripts=bench.scripts, config=config
    )
    (await again.node.start()).unwrap()
    assert again.cell("keeper").data == {b"last": f"{399:0200}".encode()}
    read = [batch.seq for batch in again.node.kernel.journal.reader.recover()]
    assert read[0] == began
    assert await control(again, "restart", "keeper") == "running"
    await again.node.stop()
