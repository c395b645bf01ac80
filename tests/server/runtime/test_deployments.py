"""Deployments: an agent's first version, and the exchange of one version for the next."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from caxton_core.errors import Conflict, InvalidManifest, InvalidModule, NotFound, StartFailed
from caxton_core.ports import Fault
from caxton_core.resources import Manifest
from returns.result import Failure, Success

from tests.server.runtime.nodes import Bench, Message, Script, Tools


async def update(bench: Bench, script: Script | None = None, **manifest: Any) -> Any:
    """Move `agent` to a new version, running the node meanwhile."""
    data = bench.scripts.add(manifest.pop("module", "second"), script or Script())
    parsed = Manifest.parse({"name": "agent", "version": "2", **manifest}).unwrap()
    task = asyncio.ensure_future(bench.node.update(parsed, data))
    while not task.done():
        bench.settle()
        await asyncio.sleep(0)
    return await task


async def parked(bench: Bench) -> None:
    """Wait until somebody's call is suspended."""
    for _ in range(1000):
        if bench.node.scheduler.parked:
            return
        await asyncio.sleep(0.001)


async def test_the_first_version_runs_when_the_answer_comes() -> None:
    """The deployment and the agent say so, before and after a restart of the node."""
    bench = await Bench().start()
    data = bench.scripts.add("first", Script())
    done = await bench.node.deploy(Manifest.parse({"name": "agent", "version": "1"}).unwrap(), data)
    view = done.unwrap()
    assert (view.agent.state, view.deployment.state) == ("running", "running")
    again = await bench.again().start()
    assert again.node.agent("agent").unwrap().state == "running"
    assert (await again.node.deployment(view.deployment.id)).unwrap() == view.deployment
    events = [row.columns["type"] for row in bench.storage.list("events", {}, after=None, limit=99)]
    assert events[:2] == ["agent.deployed", "deployment.started"]
    assert "agent.started" in events


@pytest.mark.parametrize(
    "start",
    [
        lambda _config, _tools: Fault("agent-error", "caxton_init returned 3"),
        lambda _config, _tools: Fault("trap", "unreachable"),
    ],
)
async def test_a_version_that_does_not_start_leaves_nothing(start: Any) -> None:
    """There is no agent, not even for the node that starts next; the deployment is kept as failed."""
    bench = await Bench().start()
    data = bench.scripts.add("first", Script(start=start))
    done = await bench.node.deploy(Manifest.parse({"name": "agent"}).unwrap(), data)
    assert isinstance(done.failure(), StartFailed)
    assert bench.node.agents().items == []
    again = await bench.again().start()
    assert again.node.agents().items == []
    (view,) = (await again.node.deployments(limit=9, cursor=None)).items
    assert (view.agent, view.state) == ("agent", "failed")
    await bench.deploy("agent")


async def test_bad_manifests_and_modules_are_refused() -> None:
    """Before anything has begun."""
    bench = await Bench().start()
    manifest = Manifest.parse({"name": "agent"}).unwrap()
    unknown = Manifest.parse({"name": "agent", "module": "sha256:" + "0" * 64}).unwrap()
    profile = Manifest.parse({"name": "agent", "profile": "loose"})
    assert isinstance((await bench.node.deploy(manifest, None)).failure(), InvalidModule)
    assert isinstance((await bench.node.deploy(manifest, b"no script")).failure(), InvalidModule)
    assert isinstance((await bench.node.deploy(unknown, None)).failure(), NotFound)
    if isinstance(profile, Success):
        done = await bench.node.deploy(profile.unwrap(), b"x")
        assert isinstance(done.failure(), InvalidManifest)
    assert (await bench.node.deployments(limit=9, cursor=None)).items == []


async def test_a_start_may_send_store_and_be_answered() -> None:
    """The answer reaches an agent that has only just started, even a slow one."""
    bench = await Bench().start()
    await bench.deploy(
        "echo",
        Script(lambda message, _tools: {"performative": "inform", "content": message["content"]}),
    )

    def start(config: Message, tools: Tools) -> Any:
        tools.host.state_put(b"config", str(config["margin"]).encode())
        assert tools.send(performative="request", receiver="echo", content="hello") == 0
        yield

    script = Script(start=start)
    bench.scripts.add("agent", script)
    parsed = Manifest.parse({"name": "agent", "config": {"margin": 0.1}}).unwrap()
    task = asyncio.ensure_future(bench.node.deploy(parsed, b"agent"))
    await parked(bench)
    bench.settle()
    (await task).unwrap()
    assert script.contents == ["hello"]
    assert bench.cell("agent").data == {b"config": b"0.1"}


async def test_an_update_keeps_the_agent() -> None:
    """Handle, state, timers, mailbox and log stay; the next version handles what waits."""
    bench = await Bench().start()

    def act(message: Message, tools: Tools) -> None:
        tools.host.state_put(b"a", b"1")
        tools.host.set_timer(5000, b"ring")
        tools.host.log(2, b"first")

    first, second = Script(act), Script()
    cell = await bench.deploy("agent", first)
    bench.post("agent", content=1)
    bench.settle()
    (await bench.node.control("agent", "suspend")).unwrap()
    bench.post("agent", content=2)
    view = (await update(bench, second)).unwrap()
    assert (view.agent.id, view.agent.state) == (str(int(cell.handle)), "suspended")
    (await bench.node.control("agent", "resume")).unwrap()
    bench.advance(5)
    assert first.contents == [1]
    assert first.closed == 1
    assert second.contents == [2, "ring"]
    assert (cell.data, cell.data_size) == ({b"a": b"1"}, 2)
    assert [line.text for line in bench.node.logs("agent").unwrap()] == ["first"]
    assert [v.state for v in bench.node.versions("agent").unwrap()] == ["current", "superseded"]
    again = await bench.again().start()
    assert again.node.agent("agent").unwrap().version == "2"
    assert again.cell("agent").data == {b"a": b"1"}


@pytest.mark.parametrize("where", ["start", "import"])
async def test_a_failing_update_leaves_the_old_version(where: str) -> None:
    """In memory and in the journal; it goes on with what it has."""
    bench = await Bench().start()
    first = Script(export=b"state")
    await bench.deploy("agent", first, version="1")
    wrong = lambda _message, _tools: Fault("trap", "boom")  # noqa: E731
    second = Script(start=wrong) if where == "start" else Script(imported=wrong)
    failed = await update(bench, second)
    assert failed == Failure(StartFailed("agent", "trap", "boom"))
    assert bench.node.agent("agent").unwrap().version == "1"
    bench.post("agent", content="still")
    bench.settle()
    assert first.contents == ["still"]
    again = await bench.again().start()
    assert again.node.agent("agent").unwrap().version == "1"
    states = [v.state for v in (await again.node.deployments(limit=9, cursor=None)).items]
    assert states == ["running", "failed"]


async def test_what_the_old_version_exports_the_new_one_imports() -> None:
    """After its start, before its first message, and as a step that may store."""
    bench = await Bench().start()
    seen: list[Any] = []

    def imported(message: Message, tools: Tools) -> Any:
        seen.append(("import", message["data"]))
        yield
        tools.host.state_put(b"from", message["data"])

    second = Script(lambda message, _tools: seen.append(message["content"]), imported=imported)
    second.begin = lambda _config, _tools: seen.append("start")
    await bench.deploy("agent", Script(export=b"\x00memory"))
    bench.node.scheduler.ready.clear()
    task = asyncio.ensure_future(update(bench, second))
    await asyncio.sleep(0)
    (await task).unwrap()
    bench.post("agent", content="message")
    bench.settle()
    assert seen == ["start", ("import", b"\x00memory"), "message"]
    assert bench.cell("agent").data == {b"from": b"\x00memory"}


async def test_an_update_waits_for_the_step_in_hand() -> None:
    """The instance is exchanged between two steps."""
    bench = await Bench().start()

    def act(_message: Message, _tools: Tools) -> Any:
        yield
        yield
        return {"performative": "inform", "content": "ended"}

    first = Script(act)
    await bench.deploy("agent", first)
    heard = bench.heard("c")
    bench.post("agent", conversation_id="c")
    bench.turn()
    (await update(bench)).unwrap()
    assert [message["content"] for message in heard] == ["ended"]


@pytest.mark.parametrize(
    ("verb", "state"), [("suspend", "suspended"), ("stop", "running"), ("drain", "running")]
)
async def test_an_update_takes_the_agent_as_it_finds_it(verb: str, state: str) -> None:
    """What an operator did while the new version started is not undone; a stopped agent runs again."""
    bench = await Bench().start()

    def start(_config: Message, _tools: Tools) -> Any:
        for _ in range(3):
            yield

    await bench.deploy("agent", Script())
    data = bench.scripts.add("second", Script(start=start))
    parsed = Manifest.parse({"name": "agent", "version": "2"}).unwrap()
    task = asyncio.ensure_future(bench.node.update(parsed, data))
    await parked(bench)
    (await bench.node.control("agent", verb)).unwrap()
    while not task.done():
        bench.settle()
        await asyncio.sleep(0)
    assert (await task).unwrap().agent.state == state
    again = await bench.again().start()
    assert again.node.agent("agent").unwrap().state == state


async def test_an_agent_removed_during_its_update_stays_removed() -> None:
    """The deployment fails and nothing comes back."""
    bench = await Bench().start()

    def start(_config: Message, _tools: Tools) -> Any:
        yield

    await bench.deploy("agent", Script())
    data = bench.scripts.add("second", Script(start=start))
    parsed = Manifest.parse({"name": "agent", "version": "2"}).unwrap()
    task = asyncio.ensure_future(bench.node.update(parsed, data))
    await parked(bench)
    (await bench.node.remove_agent("agent")).unwrap()
    while not task.done():
        bench.settle()
        await asyncio.sleep(0)
    assert isinstance((await task).failure(), StartFailed)
    assert bench.node.kernel.cells == {}
    again = await bench.again().start()
    assert again.node.agents().items == []


async def test_two_updates_at_once_are_a_conflict() -> None:
    """The second is refused until the first has ended."""
    bench = await Bench().start()
    await bench.deploy("agent")
    data = bench.scripts.add("second", Script())
    parsed = Manifest.parse({"name": "agent", "version": "2"}).unwrap()
    one, two = await asyncio.gather(
        bench.node.update(parsed, data), bench.node.update(parsed, data)
    )
    assert one.unwrap().agent.version == "2"
    assert isinstance(two.failure(), Conflict)
    (await update(bench)).unwrap()


async def test_a_start_without_end_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the deployment fails, and the name is free."""
    monkeypatch.setattr("caxton_server.runtime.rollouts.START_SECONDS", 0.01)
    bench = await Bench().start()

    def start(_config: Message, _tools: Tools) -> Any:
        while True:
            yield

    data = bench.scripts.add("endless", Script(start=start))
    failed = await bench.node.deploy(Manifest.parse({"name": "agent"}).unwrap(), data)
    error = failed.failure()
    assert isinstance(error, StartFailed)
    assert error.reason == "time"
    assert bench.node.scheduler.idle
    await bench.deploy("agent")


async def test_timers_of_both_versions_keep_their_ids_apart() -> None:
    """A timer set by the new version's start is heard by it, whatever the old one sets meanwhile."""
    bench = await Bench().start()
    ids: list[int] = []

    def setting(_message: Message, tools: Tools) -> None:
        ids.append(tools.host.set_timer(1000, f"timer {len(ids)}".encode()))

    await bench.deploy("agent", Script(setting))
    bench.post("agent", content="first")
    bench.settle()

    def start(message: Message, tools: Tools) -> Any:
        setting(message, tools)
        bench.post("agent", content="between")
        yield
        yield

    second = Script(start=start)
    (await update(bench, second)).unwrap()
    bench.advance(1)
    assert len(set(ids)) == 3
    assert second.contents == ["timer 0", "timer 1", "timer 2"] or sorted(
        map(str, second.contents)
    ) == ["timer 0", "timer 1", "timer 2"]
    assert bench.cell("agent").next_timer > max(ids)


async def test_the_quota_counts_what_both_versions_stored() -> None:
    """After the exchange the size of the state is what is in it."""
    bench = await Bench().start()

    def storing(message: Message, tools: Tools) -> None:
        tools.host.state_put(b"old", b"x" * 10)

    await bench.deploy("agent", Script(storing))

    def start(_config: Message, tools: Tools) -> Any:
        bench.post("agent")
        tools.host.state_put(b"new", b"x" * 20)
        yield
        yield

    (await update(bench, Script(start=start))).unwrap()
    cell = bench.cell("agent")
    assert cell.data_size == sum(len(k) + len(v) for k, v in cell.data.items()) == 36


@pytest.mark.parametrize(("before", "after"), [("json", "msgpack"), ("msgpack", "json")])
async def test_a_new_codec_reaches_what_waits(before: str, after: str) -> None:
    """Messages queued in the old codec are handed out in the new one."""
    bench = await Bench().start()
    codecs: list[str] = []
    await bench.deploy("agent", Script(), codec=before, limits={"mailbox": 5})
    (await bench.node.control("agent", "suspend")).unwrap()
    bench.post("agent", content=1)
    second = Script(lambda _message, tools: codecs.append(tools.codec))
    (await update(bench, second, codec=after, limits={"mailbox": 7})).unwrap()
    (await bench.node.control("agent", "resume")).unwrap()
    bench.settle()
    assert codecs == [after]
    assert second.contents == [1]
    mailbox = bench.cell("agent").mailbox
    assert (mailbox.limit, mailbox.bytes_limit >= 7 * 4096, mailbox.bytes) == (7, True, 0)
