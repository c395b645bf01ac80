"""A real node, without listeners, that takes hostile cases one by one: run as a child process by `children.py`.

Rules:
- Cases come by name on stdin, verdicts go to stdout; whatever ends this process is the fault of the case it had begun.
- A case gets a node that is as the one before left it: a node that is not as good as new afterwards is a problem.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from caxton_core.agents import AgentState
from caxton_core.errors import InvalidManifest, InvalidModule, LimitExceeded, StartFailed
from caxton_core.resources import Limits, Manifest
from caxton_plugins.sandboxes.compilation.compiling import WALL_SECONDS
from caxton_server.app import relax_collector
from caxton_server.bench.beds import Bed, make_bed
from caxton_server.bench.machines import resident_bytes
from caxton_server.runtime.cells import Cell
from returns.result import Failure, Success

from tests.e2e.wat import echo
from tests.hostile.cases import (
    Answered,
    Case,
    Failed,
    Logged,
    NotPromoted,
    NotStarted,
    Refused,
    Silent,
    Stopped,
)
from tests.hostile.corpus import CASES

NAME, NEIGHBOUR, PROBE = "hostile", "neighbour", "probe"
PATIENCE = 20.0
PACE = 0.002
BUSY = 0.1
"""Seconds after which a neighbour must have had its turn."""


class Verdict(msgspec.Struct, frozen=True):
    """What became of a case: nothing is wrong when `problems` is empty; times are seconds."""

    name: str
    problems: list[str]
    seen: str
    took: float
    limit: float
    answered: int
    hops_alone: list[float] = []
    hops_beside: list[float] = []
    resident_before: int = 0
    resident_after: int = 0


class Watch(logging.Handler):
    """Notes what the node complains of."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.complaints: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line of the log."""
        self.complaints.append(f"logged: {record.getMessage()}")

    def caught(self, _loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Note an exception that nobody caught."""
        self.complaints.append(f"uncaught: {context.get('message')} {context.get('exception')!r}")

    def take(self) -> list[str]:
        """Return what was noted since the last time."""
        taken, self.complaints = self.complaints, []
        return taken


class Runner:
    """The node and the neighbour who talks through every case."""

    def __init__(self, bed: Bed, watch: Watch) -> None:
        self.node, self.watch = bed.node, watch
        self.bed = bed
        self.answered = 0

    async def prepare(self) -> None:
        """Deploy the neighbour, and compile what is deployed after each case."""
        await self._deploy(NEIGHBOUR)
        await self._ask(NEIGHBOUR)
        await self._probe()

    async def run(self, case: Case) -> Verdict:
        """Let a case do its worst, and see what is left of the node."""
        module = case.module()
        tasks = len(asyncio.all_tasks())
        async with self._neighbour():
            before = self.answered
            began = time.perf_counter()
            took, seen, problems = await self._attack(case, module)
            if time.perf_counter() - began > BUSY and self.answered == before:
                problems.append("the neighbour was not answered meanwhile")
            answered = self.answered - before
        problems += await self._aftermath(case)
        if (left := len(asyncio.all_tasks())) != tasks:
            problems.append(f"{left - tasks} tasks are left over")
        problems += self.watch.take()
        return Verdict(case.name, problems, seen, took, limit_of(case), answered)

    @contextlib.asynccontextmanager
    async def _neighbour(self) -> AsyncIterator[None]:
        """Ask the neighbour again and again."""

        talking = True

        async def ask() -> None:
            while talking:
                await self._ask(NEIGHBOUR)
                self.answered += 1
                await asyncio.sleep(PACE)

        task = asyncio.create_task(ask())
        try:
            yield
        finally:
            talking = False
            await task

    # The attack

    async def _attack(self, case: Case, module: bytes) -> tuple[float, str, list[str]]:
        """Do what the case says; returns how long it took, what came of it, and what is wrong with that."""
        manifest = Manifest.parse({"name": NAME, **case.manifest}).unwrap()
        for message in case.before:
            sent = await self.node.send(msgspec.json.encode({"performative": "request", **message}))
            assert isinstance(sent, Success), sent
        began = time.perf_counter()
        deployed = await self.node.deploy(manifest, module)
        took = time.perf_counter() - began
        if isinstance(deployed, Failure):
            return took, *refusal(case, deployed.failure())
        if case.attacks in ("load", "start") and isinstance(case.outcome, Refused | NotStarted):
            return took, "it runs", ["it was accepted"]
        began = time.perf_counter()
        seen, problems = await self._after_start(case, manifest)
        if case.attacks != "load":
            took = time.perf_counter() - began
        problems += await self._afterwards(case)
        return took, seen, problems

    async def _after_start(self, case: Case, manifest: Manifest) -> tuple[str, list[str]]:
        match case.outcome:
            case Stopped():
                view = await self.node.control(NAME, "stop")
                state = view.unwrap().state if isinstance(view, Success) else str(view.failure())
                return state, [] if state == AgentState.STOPPED else [f"it is {state}"]
            case NotPromoted(reason, detail):
                assert case.next is not None
                later = msgspec.structs.replace(manifest, version="2.0.0")
                done = await self.node.update(later, case.next())
                if isinstance(done, Success):
                    return "promoted", ["the next version took over"]
                error = done.failure()
                return str(error), wrong_start(error, reason, detail)
            case Silent() | Logged():
                return await self._quietly(case)
            case _:
                return await self._loudly(case)

    def _message(self, case: Case) -> bytes:
        return msgspec.json.encode(
            {"performative": "request", "receiver": NAME, "content": "hello", **case.message}
        )

    async def _quietly(self, case: Case) -> tuple[str, list[str]]:
        """Send a message that nobody answers, and wait until it is handled."""
        cell = self._cell()
        assert cell is not None
        sent = await self.node.send(self._message(case))
        if isinstance(sent, Failure):
            return str(sent.failure()), [f"the message was refused: {sent.failure()}"]
        until = time.monotonic() + PATIENCE
        while not (cell.messages_in or cell.faults):
            if time.monotonic() > until:
                return "nothing", [f"the message is not handled after {PATIENCE} s"]
            await asyncio.sleep(0.001)
        if cell.faults:
            return "a fault", ["the message failed"]
        problems = []
        lines = tuple(line.text for line in self.node.logs(NAME).unwrap())
        if isinstance(case.outcome, Logged) and lines != case.outcome.lines:
            problems.append(f"it logged {lines!r}")
        return "handled", problems

    async def _loudly(self, case: Case) -> tuple[str, list[str]]:
        """Ask, and judge the reply."""
        asked = await self.node.request(self._message(case), wait=PATIENCE)
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

    async def _afterwards(self, case: Case) -> list[str]:
        """Check that a dead instance was replaced, and that one that lives was not."""
        cell = self._cell()
        if cell is None:
            return ["the agent is gone"]
        fatal = isinstance(case.outcome, Failed) and case.outcome.fatal
        fatal |= (
            isinstance(case.outcome, NotPromoted)
            and case.attacks == "export"
            and Failed(case.outcome.reason).fatal
        )
        if cell.restarts != fatal:
            return [f"it was restarted {cell.restarts} times"]
        until = time.monotonic() + PATIENCE
        while fatal and not (cell.started or cell.state is AgentState.FAILED):
            if time.monotonic() > until:
                return ["there is no new instance"]
            await asyncio.sleep(0.001)
        return []

    def _cell(self) -> Cell | None:
        found = self.node.kernel.find(NAME)
        return found if isinstance(found, Cell) else None

    # What must be as before

    async def _aftermath(self, case: Case) -> list[str]:
        problems = []
        if self._cell() is not None:
            problems += control_characters(self.node.logs(NAME).unwrap())
            await self.node.remove_agent(NAME)
        elif not isinstance(case.outcome, Refused | NotStarted):
            problems.append("the agent is gone")
        try:
            await self._ask(NEIGHBOUR)
            await self._probe()
        except AssertionError as error:
            problems.append(f"afterwards: {error}")
        if self.node.loop.failed:
            problems.append(f"the loop ended: {self.node.loop.failed}")
        names = sorted(cell.name for cell in self.node.kernel.cells.values())
        if names != [NEIGHBOUR]:
            problems.append(f"these agents are left: {names}")
        return problems

    async def _probe(self) -> None:
        """Deploy an agent, use it, and remove it."""
        await self._deploy(PROBE)
        await self._ask(PROBE)
        await self.node.remove_agent(PROBE)

    async def _deploy(self, name: str) -> None:
        done = await self.node.deploy(Manifest.parse({"name": name}).unwrap(), echo())
        assert isinstance(done, Success), done

    async def _ask(self, name: str) -> None:
        message = {"performative": "request", "receiver": name, "content": "hello"}
        asked = await self.node.request(msgspec.json.encode(message), wait=PATIENCE)
        assert isinstance(asked, Success), f"{name}: {asked.failure()}"
        assert asked.unwrap().reply.get("content") == "here", asked.unwrap().reply


def limit_of(case: Case) -> float:
    """Return the seconds a case may take: what its manifest grants a call, or the compiler."""
    if case.attacks == "load":
        return WALL_SECONDS if case.slow else 0.0
    limits = case.manifest.get("limits", {})
    reason = getattr(case.outcome, "reason", "cpu")
    if reason in ("time", "host-calls"):
        return float(limits.get("time_ms", Limits().time_ms)) / 1000
    return float(limits.get("cpu_ms", Limits().cpu_ms)) / 1000


def refusal(case: Case, error: object) -> tuple[str, list[str]]:
    """Judge a deploy that did not work."""
    seen = str(error)
    match case.outcome:
        case Refused(detail):
            right = (
                isinstance(error, InvalidManifest | InvalidModule | LimitExceeded)
                and detail in seen
            )
            return seen, [] if right else [f"it was refused otherwise: {seen}"]
        case NotStarted(reason, detail):
            return seen, wrong_start(error, reason, detail)
        case _:
            return seen, [f"it was refused: {seen}"]


def wrong_start(error: object, reason: str, detail: str) -> list[str]:
    """Judge why a version did not start."""
    if isinstance(error, StartFailed) and error.reason == reason and detail in error.detail:
        return []
    return [f"it failed otherwise: {error!r}"]


def control_characters(lines: Any) -> list[str]:
    """Return a problem for each line of a log that could drive a terminal."""
    return [
        f"the log holds {line.text!r}"
        for line in lines
        if not line.text.replace("\t", " ").isprintable()
        and any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in line.text)
    ]


async def main(folder: Path) -> None:
    """Answer cases until stdin ends."""
    relax_collector()
    watch = Watch()
    asyncio.get_running_loop().set_exception_handler(watch.caught)
    bed = (await make_bed(folder, "memory")).unwrap()
    logging.getLogger().addHandler(watch)
    runner = Runner(bed, watch)
    await runner.prepare()
    by_name = {case.name: case for case in CASES}
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    tell(b"ready")
    while line := await reader.readline():
        tell(msgspec.json.encode(await runner.run(by_name[line.decode().strip()])))
    await bed.close()
    gc.collect()
    tell(b"closed " + str(resident_bytes()).encode())


def tell(line: bytes) -> None:
    """Write a line to whoever started this process."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    faulthandler.enable()
    asyncio.run(main(Path(sys.argv[1])))
