"""A real agent in Python: what an interpreter inside a component does at its limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from caxton_core.ids import ModuleDigest
from caxton_core.ports import Fault, Guest, Outcome
from caxton_core.resources import Limits
from caxton_core.units import ByteSize, CpuMillis, Duration
from caxton_plugins.sandboxes.components import ComponentSandbox

from tests import python_agents
from tests.plugins.sandboxes.guests import Host, finish, handled

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

LIMITS = Limits(memory=ByteSize(64 << 20), cpu_ms=CpuMillis(3000), time_ms=Duration(30_000))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ComponentSandbox, str]]:
    """Yield a sandbox that knows the agent, and the agent's digest."""
    built = python_agents.build(tmp_path_factory)
    sandbox = ComponentSandbox(str(built.cache))
    yield sandbox, built.digest
    sandbox.close()


@pytest.fixture
def start(compiled: tuple[ComponentSandbox, str]) -> Iterator[Callable[[Host], Guest]]:
    """Give a function that starts the agent with a host."""
    guests: list[Guest] = []

    def begin(host: Host) -> Guest:
        sandbox, digest = compiled
        guests.append(sandbox.open(ModuleDigest(digest), "component", LIMITS, host).unwrap())
        assert finish(guests[-1], guests[-1].start(b'{"margin":0.1}')) is None
        return guests[-1]

    yield begin
    for guest in guests:
        guest.close()


def ask(guest: Guest, content: object) -> Outcome:
    """Have a request handled."""
    fields = {"performative": "request", "sender": "a@p", "content": content, "x_note": [1]}
    return handled(guest, json.dumps(fields).encode())


def told(outcome: Outcome) -> object:
    """Return the content of a response."""
    assert isinstance(outcome, bytes), outcome
    fields = json.loads(outcome)
    assert fields.pop("x_note") == [1]
    assert fields.pop("performative") == "inform"
    return fields["content"]


def test_an_agent_in_python_answers(start: Callable[[Host], Guest]) -> None:
    """Contents of every kind come back as they were, and the configuration is there."""
    host = Host()
    guest = start(host)
    contents: tuple[object, ...] = ("hé", {"a": [1, 2.5, None, True]}, [], "", 0)
    for content in contents:
        assert told(ask(guest, content)) == content
    assert told(ask(guest, "config")) == {"margin": 0.1}
    assert host.calls[0] == ("log", 2, b'"h\\u00e9"')


def test_its_state_is_in_the_node(start: Callable[[Host], Guest]) -> None:
    """Another instance goes on where the first one stopped, and a hand-over is a matter of bytes."""
    host = Host()
    first = start(host)
    assert [told(ask(first, {"add": number})) for number in (1, 2)] == [1, 3]
    state = finish(first, first.export_state())
    first.close()
    second = start(host)
    assert told(ask(second, {"add": 4})) == 7
    third = start(Host())
    assert isinstance(state, bytes)
    assert finish(third, third.import_state(state)) is None
    assert told(ask(third, {"add": 4})) == 7


def test_it_sets_timers_and_drains(start: Callable[[Host], Guest]) -> None:
    """Timers and the last call reach the host."""
    host = Host()
    guest = start(host)
    assert told(ask(guest, {"set": 500})) == 7
    assert finish(guest, guest.drain()) is None
    assert host.calls == [("set_timer", 500, b"ring"), ("log", 2, b"drained")]


def test_an_error_is_its_own_and_an_exception_ends_it(start: Callable[[Host], Guest]) -> None:
    """`Err` is an answer; an exception that nothing catches is a trap, and kills the instance."""
    guest = start(Host())
    assert ask(guest, "fail") == Fault("agent-error", "handle: as asked")
    assert told(ask(guest, 1)) == 1
    assert ask(guest, "raise") == Fault("trap", "wasm `unreachable` instruction executed")
    assert not guest.alive


@pytest.mark.parametrize(
    ("what", "reason"),
    [("loop", "cpu"), ("grow", "trap"), ("deep", "trap"), ("recurse", "trap"), ("time", "trap")],
)
def test_it_ends_at_its_limits(start: Callable[[Host], Guest], what: str, reason: str) -> None:
    """A loop, a heap, a recursion without end, and the clock that WASI would have, end the instance alone."""
    guest, other = start(Host()), start(Host())
    outcome = ask(guest, what)
    assert isinstance(outcome, Fault)
    assert (outcome.reason, guest.alive) == (reason, False)
    assert told(ask(other, 1)) == 1
