"""Python agents behind the port of the sandboxes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from caxton_core.hookspecs import SandboxOptions
from caxton_core.ids import ModuleDigest
from caxton_core.ports import Fault, Guest
from caxton_core.resources import Limits
from caxton_core.units import ByteSize
from caxton_plugins.sandboxes import inprocess
from caxton_plugins.sandboxes.inprocess import AgentHost, InprocessSandbox, Message, register

from tests.plugins.sandboxes.guests import Host


@register("test-greeter")
class Greeter:
    """Greets, counts, and fails on demand."""

    def __init__(self) -> None:
        self.greeting = "hello"

    def init(self, config: dict[str, Any], host: AgentHost) -> None:
        """Take the greeting to use."""
        self.greeting = config.get("greeting", self.greeting)

    def handle(self, message: Message, host: AgentHost) -> Message | None:
        """Greet the sender."""
        if message.get("content") == "fail":
            raise ValueError("on demand")
        if message.get("content") == "quiet":
            host.log("quiet")
            host.put("seen", (host.get("seen") or 0) + 1)
            host.send({"performative": "inform", "receiver": "somebody"})
            return None
        return {"performative": "inform", "content": f"{self.greeting} {message['sender']}"}

    def export_state(self) -> bytes:
        """Hand the greeting over."""
        return self.greeting.encode()

    def import_state(self, data: bytes) -> None:
        """Take a greeting over."""
        self.greeting = data.decode()


def guest(host: Host | None = None, limits: Limits | None = None) -> Guest:
    """Open and start a greeter."""
    sandbox = InprocessSandbox()
    info = sandbox.check(b"test-greeter", "inprocess").unwrap()
    digest = ModuleDigest(info.sha256)
    made = sandbox.open(digest, "inprocess", limits or Limits(), host or Host()).unwrap()
    assert made.start(b'{"greeting":"ahoy"}') is None
    return made


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
def test_the_answer_has_the_codec_of_the_message(codec: Any) -> None:
    """A JSON message is answered in JSON, a MessagePack one in MessagePack."""
    answer = guest().handle(codec.encode({"performative": "request", "sender": "ann@here"}))
    assert isinstance(answer, bytes)
    assert codec.decode(answer) == {"performative": "inform", "content": "ahoy ann@here"}


def test_the_host_is_reached_in_python_types() -> None:
    """Log, state and send take text, values and dictionaries."""
    host = Host()
    assert guest(host).handle(b'{"content":"quiet"}') is None
    assert host.state == {b"seen": b"1"}
    assert host.calls == [
        ("log", 2, b"quiet"),
        ("send", b'{"performative":"inform","receiver":"somebody"}'),
    ]


def test_an_exception_fails_the_message_only() -> None:
    """What an agent raises is an agent error; the next message is handled."""
    made = guest()
    assert made.handle(b'{"content":"fail"}') == Fault("agent-error", "ValueError: on demand")
    assert made.alive
    assert isinstance(made.handle(b'{"sender":"x"}'), bytes)


def test_state_is_handed_over_in_process() -> None:
    """Exported state can be imported."""
    first, second = guest(), guest()
    assert first.import_state(b"salve") is None
    state = first.export_state()
    assert state == b"salve"
    assert second.drain() is None


def test_a_large_answer_is_refused() -> None:
    """The message size limit holds here too."""
    outcome = guest(limits=Limits(message_size=ByteSize(10))).handle(b'{"sender":"x"}')
    assert isinstance(outcome, Fault)
    assert outcome.reason == "too-large"


def test_unknown_names_are_refused() -> None:
    """Only what was registered can be checked or opened."""
    sandbox = InprocessSandbox()
    assert "no agent is registered as 'nobody'" in str(
        sandbox.check(b"nobody", "inprocess").failure()
    )
    digest = ModuleDigest("sha256:" + "0" * 64)
    assert "no agent" in str(sandbox.open(digest, "inprocess", Limits(), Host()).failure())


def test_a_digest_is_known_after_a_restart() -> None:
    """A registered name is found by its digest without a check."""
    info = InprocessSandbox().check(b"test-greeter", "inprocess").unwrap()
    fresh = InprocessSandbox()
    made = fresh.open(ModuleDigest(info.sha256), "inprocess", Limits(), Host()).unwrap()
    assert made.start(b"{}") is None
    made.close()
    assert not made.alive
    fresh.close()


def test_the_plugin_offers_it() -> None:
    """The hook gives one kind, which makes a sandbox."""
    (kind,) = inprocess.caxton_sandboxes()
    assert (kind.name, kind.profiles) == ("inprocess", ("inprocess",))
    assert kind.make(SandboxOptions()).unwrap().name == "inprocess"
