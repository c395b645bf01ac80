"""Memory and SQLite do the same: a state machine drives both and compares every answer."""

from __future__ import annotations

import tempfile
from pathlib import Path

from caxton_core.ports import Row, Storage
from caxton_core.testing_storages import make_entry, make_group
from caxton_plugins.storages.memory import MemoryStorage
from caxton_plugins.storages.sqlite import SqliteStorage
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

KEYS = st.sampled_from(["", "0", "1", "10", "2", "a", "ä", "B", "b\x00c", "z" * 40])
STATES = st.sampled_from(["open", "shut", None])
TIMES = st.integers(0, 30)
ROWS = st.lists(
    st.builds(
        lambda key, state, body, deleted: Row(
            "agents",
            key,
            {} if deleted or state is None else {"state": state},
            b"" if deleted else body,
            deleted,
        ),
        KEYS,
        STATES,
        st.binary(max_size=5),
        st.booleans(),
    ),
    max_size=6,
)


class Equivalence(RuleBasedStateMachine):
    """The same calls on a storage of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "caxton.db")
        self.memory: Storage = MemoryStorage()
        self.sqlite: Storage = SqliteStorage(self.path, durability="memory")

    def teardown(self) -> None:
        """Remove the file."""
        self.sqlite.close()
        self.folder.cleanup()

    @initialize()
    def open(self) -> None:
        """Open both."""
        self.memory.open()
        self.sqlite.open()

    @rule(spans=st.lists(st.tuples(TIMES, TIMES, st.binary(max_size=9)), max_size=4), rows=ROWS)
    def append(self, spans: list[tuple[int, int, bytes]], rows: list[Row]) -> None:
        """Append the same groups and rows to both."""
        last = self.memory.last_group()
        groups = [
            make_group(seq, blob, first=min(a, b), last=max(a, b))
            for seq, (a, b, blob) in enumerate(spans, start=last + 1)
        ]
        assert self.memory.append(groups, rows) == self.sqlite.append(groups, rows)

    @rule(key=KEYS)
    def index(self, key: str) -> None:
        """Index all groups, each under its own key and every second one under a common one."""
        first, last = self.memory.indexed_upto() + 1, self.memory.last_group()
        entries = [make_entry(f"n:{seq}", seq) for seq in range(first, last + 1)]
        if first <= last:
            entries.append(make_entry(f"c:{key}", *range(first, last + 1, 2)))
        assert self.memory.index(entries, last) == self.sqlite.index(entries, last)
        assert self.memory.find(f"c:{key}") == self.sqlite.find(f"c:{key}")

    @rule()
    def reopen(self) -> None:
        """Close the file and open it again: memory is the model of what must be there."""
        self.sqlite.close()
        self.sqlite = SqliteStorage(self.path, durability="memory")
        self.sqlite.open()

    @rule(key=KEYS, state=STATES, limit=st.integers(1, 4), newest_first=st.booleans())
    def ask(self, key: str, state: str | None, limit: int, newest_first: bool) -> None:
        """List a page of rows of both."""
        where = {} if state is None else {"state": state}
        for after in (None, key):
            pages = [
                storage.list("agents", where, after=after, limit=limit, newest_first=newest_first)
                for storage in (self.memory, self.sqlite)
            ]
            assert pages[0] == pages[1]
        assert self.memory.get("agents", key) == self.sqlite.get("agents", key)

    @rule(a=TIMES, b=TIMES)
    def between(self, a: int, b: int) -> None:
        """Look up groups by time in both."""
        first, last = min(a, b), max(a, b)
        assert [*self.memory.groups_between(first, last)] == [
            *self.sqlite.groups_between(first, last)
        ]

    @invariant()
    def same(self) -> None:
        """Both have the same groups."""
        assert [*self.memory.groups(0)] == [*self.sqlite.groups(0)]
        assert self.memory.last_group() == self.sqlite.last_group()
        assert self.memory.indexed_upto() == self.sqlite.indexed_upto()


TestEquivalence = Equivalence.TestCase
TestEquivalence.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
