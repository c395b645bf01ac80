"""A process that appends to a journal and says on its standard output what is acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from caxton_core.testing import FakeClock
from caxton_plugins.storages.sqlite import SqliteStorage
from caxton_server.runtime.journal import Journal

from tests.server.runtime.journals import CODEC, Note


async def main(path: Path) -> None:
    """Append numbered notes in bursts, from the number after the last one that is there."""
    journal = Journal(SqliteStorage(path), clock=FakeClock(), codec=CODEC)
    journal.open().unwrap()
    number = sum(len(batch.records) for batch in journal.reader.recover())
    journal.start()
    numbers: dict[int, int] = {}

    def acknowledge(position: int) -> None:
        os.write(1, b"%d\n" % numbers[position])

    journal.commits.on_commit.append(acknowledge)
    while True:
        for _ in range(20):
            number += 1
            position = journal.append(Note(0, f"c{number % 7}", number % 3, str(number)))
            journal.after_image("last", Note(0, text=str(number)))
            numbers[position + 1] = number
        journal.flush()
        await asyncio.sleep(0 if number % 100 else 0.001)
        if journal.commits.congested:
            await asyncio.sleep(0.01)


asyncio.run(main(Path(sys.argv[1])))
