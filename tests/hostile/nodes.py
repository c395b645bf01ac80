"""A real node, without listeners, that takes hostile cases one by one: run as a child process by `children.py`.

Rules:
- Cases come by name on stdin, verdicts go to stdout; whatever ends this process is the fault of the case it had begun.
- A case gets a node that is as the one before left it: a node that is not as good as new afterwards is a problem.
- With the argument `measure` nobody asks the neighbour while a case runs alone, and two others pass a message back and
  forth while it runs beside them.
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
from caxton_core.resources import Manifest
from caxton_server.app import relax_collector
from caxton_server.bench.beds import Bed, make_bed
from caxton_server.bench.machines import resident_bytes
from returns.result import Success

from tests.e2e.wat import echo
from tests.hostile.attacks import NAME, PATIENCE, attack, attacker, limit_of
from tests.hostile.cases import Case, NotStarted, Refused
from tests.hostile.corpus import CASES
from tests.hostile.hops import PAIR, Hops, Pair
from tests.plugins.sandboxes.components import component

NEIGHBOUR, PROBE = "neighbour", "probe"
PACE = 0.002
BUSY = 0.03
"""Seconds of the node's thread after which a neighbour must have had its turn."""
HOPS_SECONDS = 0.15
AGAIN = 8
"""How often a short case is repeated, so that there are hops beside it."""


class Measure(msgspec.Struct, frozen=True):
    """What a case did to others: hops of two neighbours, and this process's memory in bytes."""

    alone: Hops
    beside: Hops
    before: int
    after: int

    @property
    def ratio(self) -> float:
        """How many times longer the slow hops took, by the clock of the node's thread."""
        return self.beside.thread_us / self.alone.thread_us

    @property
    def kept(self) -> float:
        """The share of memory that did not come back."""
        return self.after / self.before - 1


class Verdict(msgspec.Struct, frozen=True):
    """What became of a case: nothing is wrong when `problems` is empty; times are seconds."""

    name: str
    problems: list[str]
    seen: str
    took: float
    burnt: float
    """What of that the node's thread had a core for."""
    limit: float
    answered: int
    measure: Measure | None = None


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
        self.answered = 0
        self._has_components = False

    async def prepare(self) -> None:
        """Deploy the neighbour, and compile what is deployed after each case."""
        await self._deploy(NEIGHBOUR)
        await self._ask(NEIGHBOUR)
        await self._probe()

    async def _make(self, case: Case) -> bytes:
        """Build the module of a case; the engine of components is there before the first that needs it."""
        if case.manifest.get("profile") == "component" and not self._has_components:
            manifest = Manifest.parse({"name": PROBE, "profile": "component"}).unwrap()
            done = await self.node.deploy(manifest, component())
            assert isinstance(done, Success), done
            await self.node.remove_agent(PROBE)
            self._has_components = True
        return case.module()

    async def run(self, case: Case) -> Verdict:
        """Let a case do its worst, and see what is left of the node."""
        module = await self._make(case)
        tasks = len(asyncio.all_tasks())
        async with self._neighbour():
            before = self.answered
            happened = await attack(self.node, case, module)
            problems = happened.problems
            if happened.burnt > BUSY and self.answered == before:
                problems.append("the neighbour was not answered meanwhile")
            answered = self.answered - before
        problems += await self._aftermath(case)
        if (left := len(asyncio.all_tasks())) != tasks:
            problems.append(f"{left - tasks} tasks are left over")
        problems += self.watch.take()
        return Verdict(
            case.name,
            problems,
            happened.seen,
            happened.took,
            happened.burnt,
            limit_of(case),
            answered,
        )

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

    # Measuring

    async def measure(self, case: Case, pair: Pair) -> Verdict:
        """Run a case in a quiet node, and then, as often as it takes, beside two who talk."""
        module = await self._make(case)
        gc.collect()
        before = resident_bytes()
        happened = await attack(self.node, case, module)
        problems = happened.problems + await self._aftermath(case)
        gc.collect()
        after = resident_bytes()
        await pair.talk()
        await asyncio.sleep(HOPS_SECONDS / 3)
        pair.watch()
        await asyncio.sleep(HOPS_SECONDS)
        alone = pair.take()
        problems += await self._repeat(case, module, pair)
        beside = pair.take()
        await pair.rest()
        problems += self.watch.take()
        measure = Measure(alone, beside, before, after)
        return Verdict(
            case.name, problems, happened.seen, happened.took, happened.burnt, limit_of(case), 0, measure
        )  # fmt: skip

    async def _repeat(self, case: Case, module: bytes, pair: Pair) -> list[str]:
        """Repeat a case until there are hops enough; return what went wrong."""
        problems: list[str] = []
        until = time.perf_counter() + HOPS_SECONDS
        for _ in range(0 if case.before else AGAIN):  # what comes before it can't come twice
            happened = await attack(self.node, case, module, pair.watch)
            problems += happened.problems
            pair.pause()
            if attacker(self.node) is not None:
                await self.node.remove_agent(NAME)
            if time.perf_counter() > until:
                break
        return problems

    # What must be as before

    async def _aftermath(self, case: Case) -> list[str]:
        problems = []
        if attacker(self.node) is not None:
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
        left = {cell.name for cell in self.node.kernel.cells.values()} - set(PAIR)
        if left != {NEIGHBOUR}:
            problems.append(f"these agents are left: {left}")
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


def control_characters(lines: Any) -> list[str]:
    """Return a problem for each line of a log that could drive a terminal."""
    return [
        f"the log holds {line.text!r}"
        for line in lines
        if any(
            ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in line.text if letter != "\t"
        )
    ]


async def main(folder: Path, *, measuring: bool) -> None:
    """Answer cases until stdin ends."""
    relax_collector()
    watch = Watch()
    asyncio.get_running_loop().set_exception_handler(watch.caught)
    bed = (await make_bed(folder, "memory")).unwrap()
    logging.getLogger().addHandler(watch)
    runner = Runner(bed, watch)
    await runner.prepare()
    pair = Pair(bed)
    if measuring:
        await pair.prepare()
    by_name = {case.name: case for case in CASES}
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    tell(b"ready")
    while line := await reader.readline():
        case = by_name[line.decode().strip()]
        tell(
            msgspec.json.encode(
                await (runner.measure(case, pair) if measuring else runner.run(case))
            )
        )
    await bed.close()


def tell(line: bytes) -> None:
    """Write a line to whoever started this process."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    faulthandler.enable()
    asyncio.run(main(Path(sys.argv[1]), measuring="measure" in sys.argv[2:]))
