"""Measure the journal alone: records a second, and what a record costs the loop's thread and the process.

    python bench/journal.py [--seconds 3] [--size 400] [--turn 64] [--folder DIR]

A record is a step of a ring of 1,000 agents and as many conversations: one message consumed, one sent. Nothing else runs
in the loop, so the rate is that of the storage; CPU times are those of threads, so other processes distort them little.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from caxton_core.ports import Storage
from caxton_plugins.storages.memory import MemoryStorage
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.runtime.journal import Journal
from caxton_server.runtime.journal_groups import Codec
from caxton_server.runtime.journal_index import Key


class Sent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message on its way."""

    serial: int
    to: tuple[int, ...]
    conversation: str
    message: str
    wire: bytes


class Step(msgspec.Struct, frozen=True, array_like=True, tag="step", gc=False):
    """A message consumed and one sent."""

    agent: int
    time: int
    consumed: int
    conversation: str
    message: str
    sent: tuple[Sent, ...]


class Clock:
    """The machine's clock."""

    def time_ms(self) -> int:
        """Return the wall clock."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


def keys(records: Sequence[Any]) -> set[Key]:
    """Return the conversations and agents of steps."""
    found: set[Key] = set()
    add, update = found.add, found.update
    for record in records:
        add(record.agent)
        for sent in record.sent:
            add(sent.conversation)
            update(sent.to)
    return found


def make_records(size: int) -> list[Step]:
    """Make steps whose encoded size is about `size` bytes."""
    now, wire = Clock().time_ms(), os.urandom(max(size - 180, 1))
    records = []
    for number in range(5000):
        conversation, message = f"conversation-{number % 1000:023}", f"message-{number:028}"
        sent = Sent(number, ((number * 7 + 1) % 1000,), conversation, message, wire)
        records.append(Step(number % 1000, now, number, conversation, message, (sent,)))
    return records


async def measure(storage: Storage, args: argparse.Namespace) -> str:
    """Append for some seconds, and tell what it cost until all of it was committed."""
    journal = Journal(storage, clock=Clock(), codec=Codec(keys=keys))
    journal.open().unwrap()
    journal.start()
    records = make_records(args.size)
    count, stalls, loop_cpu = 0, 0, 0.0
    begun, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < args.seconds:
        if journal.commits.congested:
            stalls += 1
            await asyncio.sleep(0.001)
            continue
        at = count % 4900
        before = time.thread_time()
        append = journal.append
        for record in records[at : at + args.turn]:
            append(record)
        journal.flush()
        loop_cpu += time.thread_time() - before
        count += args.turn
        await asyncio.sleep(0)
    (await journal.close()).unwrap()
    elapsed, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return (
        f"{storage.durability:8} {count / elapsed:10,.0f} records/s   loop {loop_cpu / count * 1e6:5.2f} us"
        f"   process {cpu / count * 1e6:5.2f} us CPU a record   {storage.last_group():6} groups   {stalls} stalls"
    )


def main() -> None:
    """Measure each durability once."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", type=int, default=400)
    parser.add_argument("--turn", type=int, default=64)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    print(
        f"encoded size {len(msgspec.msgpack.encode(make_records(args.size)[0]))} bytes, turn {args.turn}"
    )
    for durability in ("memory", "process", "disk"):
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            storage: Storage = MemoryStorage()
            if durability != "memory":
                path = Path(folder, "caxton.db")
                storage = SqliteStorage(
                    path, durability="disk" if durability == "disk" else "process"
                )
            print(asyncio.run(measure(storage, args)), flush=True)


if __name__ == "__main__":
    main()
