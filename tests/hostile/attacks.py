"""One case let loose on a node: what is done, how long it takes, and whether what came of it is what its row says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec
from caxton_core.agents import AgentState
from caxton_core.errors import InvalidManifest, InvalidModule, LimitExceeded, StartFailed
from caxton_core.resources import Limits, Manifest
from caxton_server.runtime.cells import Cell
from caxton_server.runtime.node import Node
from returns.result import Failure, Success

from tests.hostile.cases import (
    Answered,
    Case,
    Ended,
    Failed,
    Logged,
    NotPromoted,
    NotStarted,
    Refused,
    Silent,
    Stopped,
)

NAME = "hostile"
PATIENCE = 20.0
COMPILER_SECONDS = 13.0
REFUSAL_SECONDS = 0.5
"""What it takes to start a process that reads the sections of a module, on a slow machine."""


class Happened(msgspec.Struct, frozen=True):
    """What came of an attack; nothing was wrong when `problems` is empty. `burnt` is what this thread had of `took`."""

    took: float
    burnt: float
    seen: str
    problems: list[str]


async def attack(
    node: Node, case: Case, module: bytes, begins: Callable[[], None] = lambda: None
) -> Happened:
    """Do what a case says; `begins` is told when the call begins that it attacks."""
    manifest = Manifest.parse({"name": NAME, **case.manifest}).unwrap()
    for message in case.before:
        sent = await node.send(msgspec.json.encode({"performative": "request", **message}))
        assert isinstance(sent, Success), sent
    if case.attacks in ("load", "start"):
        begins()
    clocks = _clocks()
    deployed = await node.deploy(manifest, module)
    took, burnt = _since(clocks)
    if isinstance(deployed, Failure):
        return Happened(took, burnt, *_refused(case, deployed.failure()))
    if isinstance(case.outcome, Refused | NotStarted):
        return Happened(took, burnt, "it runs", ["it was accepted"])
    begins()
    clocks = _clocks()
    seen, problems = await _after_start(node, case, manifest)
    if case.attacks != "load":
        took, burnt = _since(clocks)
    return Happened(took, burnt, seen, problems + await _afterwards(node, case))


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def _since(clocks: tuple[float, float]) -> tuple[float, float]:
    return time.perf_counter() - clocks[0], time.thread_time() - clocks[1]


def limit_of(case: Case) -> float:
    """Return the seconds a case may take: what its manifest grants a call, or the compiler."""
    if case.attacks == "load":
        compiled = case.slow or not isinstance(case.outcome, Refused)
        return COMPILER_SECONDS if compiled else REFUSAL_SECONDS
    limits = case.manifest.get("limits", {})
    if getattr(case.outcome, "reason", "cpu") in ("time", "host-calls"):
        return float(limits.get("time_ms", Limits().time_ms)) / 1000
    return float(limits.get("cpu_ms", Limits().cpu_ms)) / 1000


def attacker(node: Node) -> Cell | None:
    """Return the hostile agent, if there is one."""
    found = node.kernel.find(NAME)
    return found if isinstance(found, Cell) else None


async def _after_start(node: Node, case: Case, manifest: Manifest) -> tuple[str, list[str]]:
    match case.outcome:
        case Stopped():
            view = await node.control(NAME, "stop")
            state = view.unwrap().state if isinstance(view, Success) else str(view.failure())
            return state, [] if state == AgentState.STOPPED else [f"it is {state}"]
        case NotPromoted(reason, detail):
            assert case.next is not None
            later = msgspec.structs.replace(manifest, version="2.0.0")
            done = await node.update(later, case.next())
            if isinstance(done, Success):
                return "promoted", ["the next version took over"]
            error = done.failure()
            return str(error), _wrong_start(error, reason, detail)
        case Silent() | Logged() | Ended():
            return await _quietly(node, case)
        case _:
            return await _loudly(node, case)


def _message(case: Case) -> bytes:
    return msgspec.json.encode(
        {"performative": "request", "receiver": NAME, "content": "hello", **case.message}
    )


async def _quietly(node: Node, case: Case) -> tuple[str, list[str]]:
    """Send a message that nobody answers, and wait until it is handled."""
    cell = attacker(node)
    assert cell is not None
    sent = await node.send(_message(case))
    if isinstance(sent, Failure):
        return str(sent.failure()), [f"the message was refused: {sent.failure()}"]
    until = time.monotonic() + PATIENCE
    while not (cell.messages_in or cell.faults):
        if time.monotonic() > until:
            return "nothing", [f"the message is not handled after {PATIENCE} s"]
        await asyncio.sleep(0.001)
    if cell.faults:
        return "a fault", ["the message failed"]
    lines = tuple(line.text for line in node.logs(NAME).unwrap())
    if isinstance(case.outcome, Logged) and lines != case.outcome.lines:
        return "handled", [f"it logged {lines!r}"]
    return "handled", []


async def _loudly(node: Node, case: Case) -> tuple[str, list[str]]:
    """Ask, and judge the reply."""
    asked = await node.request(_message(case), wait=PATIENCE)
    if isinstance(asked, Failure):
        return str(asked.failure()), [f"no reply: {asked.failure()}"]
    reply = asked.unwrap().reply
    content, who = reply.get("content"), str(reply.get("sender")).partition("@")[0]
    seen = f"{reply.get('performative')} of {who}: {str(content)[:300]}"
    match case.outcome:
        case Failed(reason, detail):
            right = (
                reply.get("performative") == "failure"
                and who == "ams"
                and isinstance(content, dict)
                and content["reason"] == reason
                and detail in content["detail"]
            )
        case Answered(wanted):
            right = who == NAME and content == wanted
        case _:
            right = False
    return seen, [] if right else [f"the reply was {seen}"]


async def _afterwards(node: Node, case: Case) -> list[str]:
    """Check that a dead instance was replaced, and that one that lives was not."""
    cell = attacker(node)
    if cell is None:
        return ["the agent is gone"]
    outcome = case.outcome
    fatal = isinstance(outcome, Ended) or (isinstance(outcome, Failed) and outcome.fatal)
    if isinstance(outcome, NotPromoted) and case.attacks == "export":
        fatal = Failed(outcome.reason).fatal
    if cell.restarts != fatal:
        return [f"it was restarted {cell.restarts} times"]
    until = time.monotonic() + PATIENCE
    while fatal and not (cell.started or cell.state is AgentState.FAILED):
        if time.monotonic() > until:
            return ["there is no new instance"]
        await asyncio.sleep(0.001)
    return []


def _refused(case: Case, error: object) -> tuple[str, list[str]]:
    """Judge a deploy that did not work."""
    seen = str(error)
    match case.outcome:
        case Refused(detail):
            right = isinstance(error, InvalidManifest | InvalidModule | LimitExceeded)
            return (
                seen,
                [] if right and detail in seen else [f"it was refused otherwise: {seen}"],
            )
        case NotStarted(reason, detail):
            return seen, _wrong_start(error, reason, detail)
        case _:
            return seen, [f"it was refused: {seen}"]


def _wrong_start(error: object, reason: str, detail: str) -> list[str]:
    """Judge why a version did not start."""
    if isinstance(error, StartFailed) and error.reason == reason and detail in error.detail:
        return []
    return [f"it failed otherwise: {error!r}"]
