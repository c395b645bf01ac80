"""Measure what a storage takes to append groups with rows, as the journal's writer does; prints the best of some runs.

    python bench/storages.py [--url URL] [--durability disk] [--groups 200] [--rows 100] [--blob 100000] [--runs 3]

Without a URL it is SQLite in a temporary folder, which must be on a disk: `--folder` says where. The tables of a URL are
added to. Half of the rows are new events, half change one of 1,000 conversations.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from zlib import crc32

from caxton_core import registry
from caxton_core.hookspecs import StorageOptions
from caxton_core.ports import Group, Row, Storage
from returns.result import Success


def make_rows(seq: int, count: int) -> list[Row]:
    """Make the rows of one group."""
    now, body = 1_700_000_000_000 + seq, bytes(250)
    found: list[Row] = []
    for number in range(count // 2):
        conversation = f"conversation-{(seq * count + number) % 1000:023}"
        event: dict[str, str | int | None] = {
            "type": "message.sent",
            "agent": f"{number % 50}",
            "conversation": conversation,
            "created": now,
        }
        view: dict[str, str | int | None] = {
            "protocol": "fipa-request",
            "state": "agreed",
            "phase": "in-progress",
            "created": 5,
        }
        key = f"{seq * count + number:016d}"
        found += [Row("events", key, event, body), Row("conversations", conversation, view, body)]
    return found


def measure(storage: Storage, groups: int, rows: int, blob: bytes) -> tuple[float, float, float]:
    """Append groups one by one: the seconds it took, those of this process's CPU, and the longest append."""
    last = storage.last_group()
    checksum = crc32(blob)
    made = [make_rows(seq, rows) for seq in range(last + 1, last + groups + 1)]
    began, used, longest = time.perf_counter(), time.process_time(), 0.0
    for number, given in enumerate(made, start=1):
        started = time.perf_counter()
        group = Group(last + number, 0, 0, 1, checksum, blob)
        if storage.append([group], given) != Success(None):
            raise SystemExit("an append failed")
        longest = max(longest, time.perf_counter() - started)
    return time.perf_counter() - began, time.process_time() - used, longest


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url")
    parser.add_argument("--folder")
    parser.add_argument("--durability", default="disk")
    parser.add_argument("--groups", type=int, default=200)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--blob", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    plugins = registry.load().unwrap()
    best: tuple[float, float, float] | None = None
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for run in range(given.runs):
            url = given.url or f"sqlite:///{Path(folder, f'{run}.db')}"
            options = StorageOptions(url, given.durability)
            kind = plugins.storage(url.partition(":")[0])
            if kind is None:
                raise SystemExit(f"no plugin has a storage for {url}")
            storage = kind.make(options).unwrap()
            storage.open().unwrap()
            found = measure(storage, given.groups, given.rows, os.urandom(given.blob))
            best = (
                found
                if best is None
                else (min(best[0], found[0]), min(best[1], found[1]), min(best[2], found[2]))
            )
            storage.close()
    if best is not None:
        seconds, used, longest = best
        print(
            f"{given.groups / seconds:.0f} groups/s, {given.groups * given.rows / seconds:.0f} rows/s,"
            f" {used / given.groups * 1000:.2f} ms of CPU a group, longest append {longest * 1000:.1f} ms"
        )


if __name__ == "__main__":
    main()
