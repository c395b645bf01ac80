"""What the policies for signatures do to modules and agents, in a whole node."""

from __future__ import annotations

from typing import Any

import pytest
from caxton_core.errors import UntrustedModule
from caxton_core.resources import Manifest
from caxton_core.signatures import Signature
from caxton_core.views import ModuleView
from caxton_server.config import Config
from caxton_server.config_sections import RuntimeConfig, SignaturesConfig
from caxton_server.secret_keys import SecretKey
from returns.result import Failure, Result

from tests.server.runtime.nodes import Bench, Script, control

KEY, OTHER = SecretKey.new(), SecretKey.new()
MODULE = b"agent"


def config(policy: Any, *, revoked: tuple[str, ...] = ()) -> Config:
    """Return the configuration of a node that trusts KEY."""
    signatures = SignaturesConfig(policy=policy, trusted=(str(KEY.public),), revoked=revoked)
    return Config(runtime=RuntimeConfig(signatures=signatures))


async def node(policy: Any, before: Bench | None = None, **given: Any) -> Bench:
    """Start a node with a policy, on what another has left behind."""
    if before is None:
        bench = Bench(config=config(policy, **given))
        bench.scripts.add("agent", Script())
    else:
        before.node.kernel.journal.settle()
        before.node.kernel.journal.reader.last_group()
        bench = Bench(
            storage=before.storage, scripts=before.scripts, clock=before.clock, seed=9,
            config=config(policy, **given),
        )  # fmt: skip
    return await bench.start()


def signature(key: SecretKey = KEY, data: bytes = MODULE) -> Signature:
    """Sign a module."""
    return key.sign(data, comment="test")


async def deploy(bench: Bench, signed: Signature | None = None, **manifest: Any) -> Any:
    """Deploy the agent; return its state, or the error."""
    parsed = Manifest.parse({"name": "agent", **manifest}).unwrap()
    data = None if "module" in manifest else MODULE
    done = await bench.node.deploy(parsed, data, signature=signed)
    return done.failure() if isinstance(done, Failure) else done.unwrap().agent.state


async def push(bench: Bench, signed: Signature | None = None) -> ModuleView:
    """Push the module."""
    found: Result[ModuleView, Any] = await bench.node.push_module(MODULE, signature=signed)
    return found.unwrap()


async def published(bench: Bench, kind: str) -> list[dict[str, Any]]:
    """Return the data of the events of a type, from the table."""
    events = [view async for view in bench.node.event_log._stored(0)]
    return [view.data for view in events if view.type == kind]


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (None, "unsigned"),
        (signature(OTHER), "unknown-key"),
        (signature(data=b"other"), "wrong-signature"),
    ],
)
async def test_what_is_not_trusted_is_refused_where_trust_is_required(
    signed: Signature | None, reason: str
) -> None:
    """Deployed or pushed, it leaves no agent and no module, but an event and a count."""
    bench = await node("require")
    refused = await deploy(bench, signed)
    assert isinstance(refused, UntrustedModule)
    assert refused.reason == reason
    assert isinstance(await bench.node.push_module(MODULE, signature=signed), Failure)
    assert bench.node.kernel.cells == {}
    assert (await bench.node.modules(limit=10, cursor=None)).items == []
    events = await published(bench, "module.refused")
    assert [(event["reason"], event["agent"]) for event in events] == [
        (reason, "agent@caxton"),
        (reason, None),
    ]
    assert bench.node.sample().signatures == {(reason, "refused"): 2}


async def test_what_a_trusted_key_has_signed_runs() -> None:
    """The module says who signed it, and a manifest that names its digest is content with that."""
    bench = await node("require")
    assert await deploy(bench, signature()) == "running"
    (module,) = (await bench.node.modules(limit=10, cursor=None)).items
    assert module.signed_by == KEY.public.id
    (await bench.node.remove_agent("agent")).unwrap()
    assert await deploy(bench, module=module.sha256) == "running"


async def test_a_warning_lets_everything_in_and_says_so() -> None:
    """The agent runs; the event, the count and the log name the reason, and nobody is named as signer."""
    bench = await node("warn")
    assert await deploy(bench) == "running"
    (event,) = await published(bench, "module.untrusted")
    assert (event["reason"], event["agent"]) == ("unsigned", "agent@caxton")
    assert bench.node.sample().signatures == {("unsigned", "warned"): 1}
    assert (await bench.node.module(event["module"])).unwrap().signed_by is None


async def test_off_asks_nothing_but_keeps_the_signature() -> None:
    """What was signed before anybody asked is trusted when somebody does, after a restart."""
    bench = await node("off")
    digest = (await push(bench, signature())).sha256
    assert bench.node.sample().signatures == {}
    again = await node("require", bench)
    assert await deploy(again, module=digest) == "running"
    assert (await again.node.module(digest)).unwrap().signed_by == KEY.public.id


async def test_a_signature_that_is_not_trusted_replaces_no_other() -> None:
    """Whoever may push can't take a good signature away by bringing a bad one."""
    bench = await node("warn")
    digest = (await push(bench, signature())).sha256
    await push(bench, signature(OTHER))
    assert (await bench.node.module(digest)).unwrap().signed_by == KEY.public.id
    assert await deploy(await node("require", bench), module=digest) == "running"


async def test_a_signature_may_come_later() -> None:
    """A module that was there unsigned is trusted once it is pushed, or deployed by digest, with its signature."""
    bench = await node("off")
    digest = (await push(bench)).sha256
    bench = await node("require", bench)
    assert (await deploy(bench, module=digest)).reason == "unsigned"
    assert await deploy(bench, signature(), module=digest) == "running"


@pytest.mark.parametrize("state", ["running", "stopped"])
async def test_a_revoked_key_keeps_its_agents_from_starting(state: str) -> None:
    """After the restart a running one is failed, a stopped one can't be started, and both say why."""
    bench = await node("require")
    await deploy(bench, signature())
    if state == "stopped":
        await control(bench, "stop")
    bench = await node("require", bench, revoked=(KEY.public.id,))
    agent = bench.node.agent("agent").unwrap()
    if state == "running":
        assert agent.state == "failed"
        assert "revoked" in agent.detail
    done = await bench.node.control("agent", "restart")
    assert isinstance(done.failure(), UntrustedModule)
    assert done.failure().reason == "revoked-key"  # type: ignore[attr-defined]  # looked at just above
    (module,) = (await bench.node.modules(limit=10, cursor=None)).items
    assert module.signed_by is None
    refusals = await published(bench, "module.refused")
    assert {(event["reason"], event["agent"]) for event in refusals} == {
        ("revoked-key", "agent@caxton")
    }


async def test_revoking_with_a_warning_stops_nobody() -> None:
    """Under `warn` the agent runs on after the restart, and each start says so again."""
    bench = await node("require")
    await deploy(bench, signature())
    bench = await node("warn", bench, revoked=(KEY.public.id,))
    assert bench.node.agent("agent").unwrap().state == "running"
    assert len(await published(bench, "module.untrusted")) == 1
