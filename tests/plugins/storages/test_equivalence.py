"""All storages do the same: a state machine drives them at once and compares every answer with that of the one in memory."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from caxton_core.hookspecs import StorageOptions
from caxton_core.ids import ModuleDigest
from caxton_core.ports import Row, Storage
from caxton_core.testing_storages import make_entry, make_group
from caxton_plugins.storages import postgres
from caxton_plugins.storages.memory import MemoryStorage
from caxton_plugins.storages.sqlite import SqliteStorage
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from returns.result import Success

T = TypeVar("T")

KEYS = st.sampled_from(
    [
        "",
        "0",
        "1",
        "10",
        "2",
        "a",
        "ä",
        "B",
        "b\x00c",
        "b\x01",
        "b",
        "\U0001f600",
        "z" * 40,
        "z" * 300,
    ]
)
STATES = st.sampled_from(["open", "shut", "\x00\x01", "s" * 300, None])
TIMES = st.integers(0, 30)
DATA = st.sampled_from([b"one", b"two", b"three"])
ROWS = st.lists(
    st.builds(
        lambda key, state, created, body, deleted: Row(
            "conversations",
            key,
            {}
            if deleted
            else {c: v for c, v in (("state", state), ("created", created)) if v is not None},
            b"" if deleted else body,
            deleted,
        ),
        KEYS,
        STATES,
        st.one_of(st.none(), TIMES),
        st.binary(max_size=5),
        st.booleans(),
    ),
    max_size=6,
)


class Equivalence(RuleBasedStateMachine):
    """The same calls on a storage of each kind."""

    url: ClassVar[str]
    numbers: ClassVar = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.schema = f"equal_{next(self.numbers)}"
        self.memory: Storage = MemoryStorage()
        self.others: list[Storage] = []

    def _make(self) -> list[Storage]:
        path = Path(self.folder.name, "caxton.db")
        options = StorageOptions(self.url, "memory", {"schema": self.schema})
        return [SqliteStorage(path, durability="memory"), postgres.make(options).unwrap()]

    def _same(self, call: Callable[[Storage], T]) -> T:
        """Call all of them, and return the answer that all have given."""
        expected = call(self.memory)
        for other in self.others:
            assert call(other) == expected, other.name
        return expected

    def teardown(self) -> None:
        """Check once more, and remove what they wrote."""
        self._same(lambda storage: [*storage.verify()])
        for other in self.others:
            other.close()
        self.folder.cleanup()

    @initialize()
    def open(self) -> None:
        """Open all."""
        self.memory.open()
        self.reopen()

    @rule()
    def reopen(self) -> None:
        """Close those that keep something and open them again: memory is the model of what must be there."""
        for other in self.others:
            other.close()
        self.others = self._make()
        assert [other.open() for other in self.others] == [Success(None)] * 2

    @rule(spans=st.lists(st.tuples(TIMES, TIMES, st.binary(max_size=9)), max_size=4), rows=ROWS)
    def append(self, spans: list[tuple[int, int, bytes]], rows: list[Row]) -> None:
        """Append the same groups and rows to all."""
        last = self.memory.last_group()
        groups = [
            make_group(seq, blob, first=min(a, b), last=max(a, b))
            for seq, (a, b, blob) in enumerate(spans, start=last + 1)
        ]
        self._same(lambda storage: storage.append(groups, rows))

    @rule(key=KEYS)
    def index(self, key: str) -> None:
        """Index all groups, each under its own key and every second one under a common one."""
        first, last = self.memory.indexed_upto() + 1, self.memory.last_group()
        first = max(first, self.memory.first_group())
        entries = [make_entry(f"n:{seq}", seq) for seq in range(first, last + 1)]
        if first <= last:
            entries.append(make_entry(f"c:{key}", *range(first, last + 1, 2)))
        self._same(lambda storage: storage.index(entries, last))
        self._same(lambda storage: storage.find(f"c:{key}"))

    @rule(share=st.integers(0, 12))
    def prune(self, share: int) -> None:
        """Forget some of the groups."""
        upto = self.memory.first_group() + share
        self._same(lambda storage: storage.prune(upto))

    @rule(share=st.integers(0, 6))
    def truncate(self, share: int) -> None:
        """Give up the latest groups, and build the index anew as whoever does so must."""
        after = max(self.memory.last_group() - share, 0)
        self._same(lambda storage: storage.truncate(after))
        self._same(lambda storage: storage.clear_projections())

    @rule(rows=ROWS)
    def clear(self, rows: list[Row]) -> None:
        """Forget all rows but some, and the index."""
        self._same(lambda storage: storage.clear_projections(rows))

    @rule(data=DATA, kept=st.booleans())
    def keep(self, data: bytes, kept: bool) -> None:
        """Keep a module, or forget it."""
        digest = ModuleDigest.of(data)
        if kept:
            self._same(lambda storage: storage.put_module(digest, data))
        else:
            self._same(lambda storage: storage.delete_module(digest))
        self._same(lambda storage: storage.module(digest))

    @rule(key=KEYS, state=STATES, limit=st.integers(1, 4), newest_first=st.booleans())
    def ask(self, key: str, state: str | None, limit: int, newest_first: bool) -> None:
        """List a page of rows, and get one."""
        where = {} if state is None else {"state": state}

        def page(storage: Storage, after: str | None) -> list[Row]:
            return storage.list(
                "conversations", where, after=after, limit=limit, newest_first=newest_first
            )

        self._same(lambda storage: page(storage, None))
        self._same(lambda storage: page(storage, key))
        self._same(lambda storage: storage.get("conversations", key))

    @rule(a=TIMES, b=TIMES, limit=st.integers(1, 9))
    def between(self, a: int, b: int, limit: int) -> None:
        """Look up groups by time, and old rows."""
        self._same(lambda storage: [*storage.groups_between(min(a, b), max(a, b))])
        self._same(lambda storage: storage.older("conversations", a, limit=limit))

    @invariant()
    def same(self) -> None:
        """All have the same groups and modules, and know how far the index goes."""
        self._same(lambda storage: [*storage.groups(0)])
        self._same(lambda storage: (storage.first_group(), storage.last_group()))
        self._same(lambda storage: (storage.indexed_upto(), storage.modules()))


@pytest.fixture(autouse=True)
def _server(postgres_database: str) -> None:
    Equivalence.url = postgres_database


TestEquivalence = Equivalence.TestCase
TestEquivalence.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
