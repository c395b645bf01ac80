"""The crash suite of storages: a process that appends is killed with kill -9, and what it left is looked at.

Use it from a test module beside the contract suite:

    def make(path):                       # importable: the process calls it too
        return RedisStorage(path)

    class TestCrashes(StorageCrashes):
        factory = "my_package.tests.test_redis:make"

        @pytest.fixture(autouse=True)
        def _place(self, tmp_path):
            self.argument = str(tmp_path / "data")

Rules:
- It holds for every durability but `memory` in a process of its own: the machine goes on, only the process ends.
- What it left must be a prefix of what it did, with all that it had acknowledged; a group and its rows are there
  together or not at all; everything can be repeated and gone on with.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

from returns.result import Success

from caxton_core.ports import Row, Storage
from caxton_core.testing_storages_appender import (
    KEPT,
    events_at,
    group_of,
    make_storage,
    rows_of,
)


class StorageCrashes:
    """Derive from this, set `factory`, and `argument` to a place of its own before each test."""

    factory: str
    """The import string of a function that makes a storage, not opened, of `argument`."""
    argument: str
    kills = 8
    seed: int | None = None
    """What the moments of the kills follow from; by itself a new one each time."""

    def test_kill_9_loses_nothing_acknowledged(self) -> None:
        """After each kill the storage holds a prefix that has all that was acknowledged, whole, and takes more."""
        seed = random.randrange(1 << 32) if self.seed is None else self.seed
        moments = random.Random(seed)
        upto = acknowledged = 0
        for _ in range(self.kills):
            acknowledged = self._kill(moments.uniform(0, 0.25))
            storage = make_storage(self.factory, self.argument)
            assert storage.open() == Success(None), f"seed {seed}"
            try:
                upto = self._look(
                    storage, acknowledged, f"seed {seed}, {acknowledged} acknowledged"
                )
            finally:
                storage.close()
        sys.stdout.write(f"seed {seed}: {self.kills} kills, {upto} groups, 0 lost\n")

    def _kill(self, seconds: float) -> int:
        """Let the process append for a while; return the last group that it acknowledged."""
        process = subprocess.Popen(
            [sys.executable, "-m", "caxton_core.testing_storages_appender", self.factory, self.argument],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, "the process ended before it had appended anything"
        time.sleep(seconds)
        assert process.poll() is None, "the process ended by itself"
        process.kill()
        rest, _ = process.communicate()
        whole = (first + rest).rpartition(b"\n")[0].split(b"\n")
        return int(whole[-1])

    def _look(self, storage: Storage, acknowledged: int, when: str) -> int:
        """Compare all that is there with what must be; return the last group after appending some more."""
        first, last = storage.first_group(), storage.last_group()
        assert last >= acknowledged, when
        assert 1 <= first <= max(1, last - KEPT + 1), when
        numbers = range(first, last + 1)
        assert list(storage.groups(0)) == [group_of(number) for number in numbers], when
        self._look_at_rows(storage, last, when)
        covered = storage.indexed_upto()
        assert covered <= last, when
        assert storage.find("c:all") == list(range(first, covered + 1)), when
        assert list(storage.verify()) == [], when
        # Whoever had no answer says the same again, and goes on.
        assert storage.append([group_of(last)], rows_of(last)) == Success(None), when
        more = [group_of(last), group_of(last + 1)]
        assert storage.append(more, [*rows_of(last), *rows_of(last + 1)]) == Success(None), when
        assert list(storage.groups(last - 1)) == more, when
        self._look_at_rows(storage, last + 1, when)
        return last + 1

    def _look_at_rows(self, storage: Storage, last: int, when: str) -> None:
        """Rows are those of the groups: of each one that is there, and of none that is not."""
        assert storage.list("events", {}, after=None, limit=999) == events_at(last), when
        assert storage.get("meta", "last") == Row("meta", "last", {}, b"%d" % last), when
        agents = {number % 7: rows_of(number)[2] for number in range(max(1, last - 6), last + 1)}
        found = storage.list("agents", {}, after=None, limit=9)
        assert found == [agents[key] for key in sorted(agents)], when
