"""Mappings: an instance is refused before the kernel refuses to map its stack, which would end the process."""

from __future__ import annotations

from caxton_core.errors import LimitExceeded
from caxton_core.ids import ModuleDigest
from caxton_core.resources import Limits
from caxton_plugins.sandboxes.mappings import MAPPINGS, SPARE, Mappings, limit
from caxton_plugins.sandboxes.wasm.calls import MAPPINGS_EACH
from caxton_plugins.sandboxes.wasm.sandbox import WasmSandbox
from returns.result import Failure

from tests.plugins.sandboxes.guests import Host, finish, module


def test_instances_are_made_while_there_is_room() -> None:
    """What does not fit beside the spare room is refused and not counted; what is given back can be taken again."""
    room = Mappings(SPARE + 7)
    assert [room.take(3), room.take(3)] == [None, None]
    assert room.take(3) == LimitExceeded("vm.max_map_count", SPARE + 7, SPARE + 9)
    assert room.take(1) is None
    room.give(3)
    assert (room.take(3), room.taken) == (None, 7)


def test_without_a_limit_nobody_is_refused() -> None:
    """Where the kernel names no limit there is none."""
    room = Mappings(None)
    assert all(room.take(1000) is None for _ in range(1000))


def test_a_sandbox_asks_before_it_opens(sandbox: WasmSandbox) -> None:
    """A guest is refused by the name of the machine's limit; a closed one has given its mappings back, once."""
    info = sandbox.check(module("(unreachable)"), "strict").unwrap()
    digest = ModuleDigest(info.sha256)
    before, most = MAPPINGS.taken, MAPPINGS.most
    closed = sandbox.open(digest, "strict", Limits(), Host()).unwrap()
    trapped = sandbox.open(digest, "strict", Limits(), Host()).unwrap()
    try:
        MAPPINGS.most = MAPPINGS.taken + SPARE
        refused = sandbox.open(digest, "strict", Limits(), Host())
        assert refused == Failure(
            LimitExceeded("vm.max_map_count", MAPPINGS.most, MAPPINGS.most + MAPPINGS_EACH)
        )
    finally:
        MAPPINGS.most = most
    finish(trapped, trapped.start(b"{}"))
    finish(trapped, trapped.handle(b"x"))
    for _ in range(2):
        closed.close()
        trapped.close()
    assert MAPPINGS.taken == before


def test_the_machine_is_read() -> None:
    """The limit comes from the kernel, where it tells one."""
    assert limit() is None or MAPPINGS.most == limit()
