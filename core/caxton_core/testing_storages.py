"""The contract suite of storages: every back-end, built-in or a stranger's, passes it.

Use it from a test module; pytest finds the methods:

    class TestRedisStorage(StorageContract):
        @pytest.fixture(autouse=True)
        def _storage(self, tmp_path):
            self.storage = RedisStorage(...)
            self.storage.open()
            yield
            self.storage.close()

        def reopen(self):          # leave out when nothing survives a `close`
            self.storage.close()
            self.storage = RedisStorage(...)
            return self.storage.open()

Rules:
- Only the port is used: no test knows how a back-end stores anything.
- What a back-end does under load, on a full disk or after a crash is for tests of its own.
"""

from __future__ import annotations

from struct import pack
from zlib import crc32

from returns.result import Result, Success

from caxton_core.errors import StorageError
from caxton_core.ports import TABLES, Group, IndexEntry, Row, Storage


def make_group(seq: int, blob: bytes = b"records", *, first: int = 0, last: int = 0) -> Group:
    """Make a group as the journal does, with a checksum that is right."""
    return Group(seq, first, last or first, 1, crc32(blob), blob)


def make_entry(key: str, *groups: int) -> IndexEntry:
    """Make an index entry as the journal does."""
    return IndexEntry(key, groups[0], pack(f"<{len(groups)}I", *groups))


class StorageContract:
    """Derive from this, and set `storage` to an empty, open storage before each test."""

    storage: Storage

    def reopen(self) -> Result[None, StorageError] | None:
        """Close the storage and open it again on the same data; None when nothing survives."""
        return None

    # The journal

    def test_it_begins_empty(self) -> None:
        """A new storage has no groups, no index, no rows and no modules."""
        storage = self.storage
        assert (storage.last_group(), storage.indexed_upto()) == (0, 0)
        assert list(storage.groups(0)) == []
        assert storage.group(1) is None
        assert list(storage.groups_between(0, 1 << 50)) == []
        assert storage.find("c:none") == []
        assert storage.module("sha256:none") is None
        for table in TABLES:
            assert storage.list(table, {}, after=None, limit=10) == []
            assert storage.get(table, "none") is None

    def test_it_says_what_it_is(self) -> None:
        """A storage names itself, its durability, and whether its calls block."""
        assert self.storage.name
        assert self.storage.durability in {"disk", "process", "memory"}
        assert isinstance(self.storage.blocks, bool)

    def test_groups_come_back_in_order(self) -> None:
        """What is appended in several calls is read as one sequence."""
        groups = [make_group(seq, b"x" * seq, first=seq) for seq in range(1, 41)]
        assert self.storage.append(groups[:1], ()) == Success(None)
        assert self.storage.append(groups[1:], ()) == Success(None)
        assert list(self.storage.groups(0)) == groups
        assert list(self.storage.groups(38)) == groups[38:]
        assert list(self.storage.groups(3, 5)) == groups[3:5]
        assert self.storage.group(7) == groups[6]
        assert self.storage.group(41) is None
        assert self.storage.last_group() == 40

    def test_a_blob_comes_back_as_it_was(self) -> None:
        """Any bytes can be a blob, none at all and some megabytes."""
        blobs = [b"", bytes(range(256)), b"\x00\xff" * 1_500_000]
        groups = [make_group(seq, blob) for seq, blob in enumerate(blobs, start=1)]
        self.storage.append(groups, ())
        assert [group.blob for group in self.storage.groups(0)] == blobs

    def test_an_append_can_be_repeated(self) -> None:
        """Groups that are there already are passed over, so a commit whose answer was lost can be tried again."""
        groups = [make_group(1, b"one"), make_group(2, b"two"), make_group(3, b"three")]
        self.storage.append(groups[:2], ())
        assert self.storage.append(groups, ()) == Success(None)
        assert list(self.storage.groups(0)) == groups

    def test_a_gap_is_a_bug(self) -> None:
        """A group that does not follow the last one raises, and nothing of the call is kept."""
        self.storage.append([make_group(1)], ())
        try:
            self.storage.append([make_group(3)], ())
        except ValueError:
            assert self.storage.last_group() == 1
        else:
            raise AssertionError("a gap in the journal was accepted")

    def test_groups_are_found_by_time(self) -> None:
        """A span of time gives the groups that touch it, whatever their order and length."""
        spans = [(10, 20), (15, 40), (30, 35), (41, 50), (5, 100)]
        groups = [
            make_group(seq, first=first, last=last)
            for seq, (first, last) in enumerate(spans, start=1)
        ]
        self.storage.append(groups, ())

        def found(first: int, last: int) -> list[int]:
            return [group.seq for group in self.storage.groups_between(first, last)]

        assert found(0, 4) == []
        assert found(20, 20) == [1, 2, 5]
        assert found(36, 41) == [2, 4, 5]
        assert found(0, 1000) == [1, 2, 3, 4, 5]
        assert found(101, 1000) == []

    # The index

    def test_the_index_finds_groups(self) -> None:
        """The groups of a key are those of all its entries, ascending."""
        self.storage.append([make_group(seq) for seq in range(1, 11)], ())
        self.storage.index([make_entry("c:a", 1, 3), make_entry("a:7", 2)], 5)
        assert self.storage.index([make_entry("c:a", 6, 9)], 10) == Success(None)
        assert self.storage.find("c:a") == [1, 3, 6, 9]
        assert self.storage.find("a:7") == [2]
        assert self.storage.find("c:") == []
        assert self.storage.indexed_upto() == 10

    def test_an_index_entry_can_be_repeated(self) -> None:
        """Storing a range of the index again changes nothing."""
        self.storage.append([make_group(1), make_group(2)], ())
        for _ in range(2):
            self.storage.index([make_entry("c:a", 1, 2)], 2)
        assert self.storage.find("c:a") == [1, 2]

    def test_many_entries_at_once(self) -> None:
        """An index range may have thousands of keys."""
        self.storage.append([make_group(1)], ())
        self.storage.index([make_entry(f"c:{number}", 1) for number in range(3000)], 1)
        assert self.storage.find("c:2999") == [1]

    # Rows

    def test_a_row_is_put_replaced_and_removed(self) -> None:
        """A key has one row: the last one put, or none."""
        first = Row("agents", "1", {"name": "ada", "state": "loaded"}, b"1")
        second = Row("agents", "1", {"name": "ada", "state": "running"}, b"2")
        for row in (first, second):
            assert self.storage.append((), [row]) == Success(None)
            assert self.storage.get("agents", "1") == row
        self.storage.append((), [Row("agents", "1", {}, deleted=True)])
        assert self.storage.get("agents", "1") is None
        self.storage.append((), [Row("agents", "1", {}, deleted=True)])
        assert self.storage.list("agents", {}, after=None, limit=9) == []

    def test_of_rows_with_one_key_the_last_counts(self) -> None:
        """Within one call, too, the last row of a key wins."""
        rows = [
            Row("meta", "a", {}, b"1"),
            Row("meta", "b", {}, b"1"),
            Row("meta", "a", {}, b"2"),
            Row("meta", "b", {}, deleted=True),
        ]
        self.storage.append((), rows)
        assert self.storage.list("meta", {}, after=None, limit=9) == [rows[2]]

    def test_every_table_takes_every_column(self) -> None:
        """Each table has the columns of the port, text or numbers, and takes rows without some of them."""
        for table, columns in TABLES.items():
            values: dict[str, str | int | None] = {
                column: 5 if column in {"created", "size"} else f"the {column}"
                for column in columns
            }
            full, bare = Row(table, "1", values, b"\x00body"), Row(table, "2", {}, b"")
            self.storage.append((), [full, bare])
            assert self.storage.list(table, {}, after=None, limit=9) == [full, bare]

    def test_rows_are_listed_page_by_page(self) -> None:
        """Pages follow each other without a gap or a repetition, in both directions."""
        keys = [f"{number:04}" for number in range(25)]
        self.storage.append((), [Row("events", key, {}) for key in reversed(keys)])
        for newest_first in (False, True):
            seen: list[str] = []
            after: str | None = None
            while page := self.storage.list(
                "events", {}, after=after, limit=10, newest_first=newest_first
            ):
                seen += [row.key for row in page]
                after = seen[-1]
            assert seen == (keys[::-1] if newest_first else keys)

    def test_rows_are_filtered(self) -> None:
        """Only rows whose columns equal all that is asked for are listed, and the limit counts those alone."""
        rows = [
            Row("conversations", str(n), {"protocol": "ab"[n % 2], "state": "xyz"[n % 3]})
            for n in range(9)
        ]
        self.storage.append((), rows)
        found = self.storage.list(
            "conversations", {"protocol": "a", "state": "x"}, after=None, limit=9
        )
        assert found == [rows[0], rows[6]]
        found = self.storage.list("conversations", {"state": "y"}, after="1", limit=1)
        assert found == [rows[4]]

    def test_an_unknown_column_is_a_bug(self) -> None:
        """Filtering by or writing a column the table lacks raises."""
        for call in (
            lambda: self.storage.list("agents", {"colour": "red"}, after=None, limit=1),
            lambda: self.storage.append((), [Row("agents", "1", {"colour": "red"})]),
        ):
            try:
                call()
            except KeyError:
                continue
            raise AssertionError("an unknown column was accepted")

    def test_many_rows_at_once(self) -> None:
        """One call may put and remove thousands of rows, next to groups."""
        rows = [Row("events", f"{number:05}", {"type": "t"}, b"e") for number in range(3000)]
        self.storage.append([make_group(1)], rows)
        assert len(self.storage.list("events", {}, after=None, limit=5000)) == 3000
        self.storage.append((), [Row("events", row.key, {}, deleted=True) for row in rows[1:]])
        assert self.storage.list("events", {}, after=None, limit=5000) == rows[:1]

    # Modules, size, life

    def test_modules_are_kept_by_digest(self) -> None:
        """A module's bytes are there until they are deleted; putting or deleting them twice is no error."""
        for _ in range(2):
            assert self.storage.put_module("sha256:a", b"\x00asm") == Success(None)
        assert self.storage.module("sha256:a") == b"\x00asm"
        for _ in range(2):
            assert self.storage.delete_module("sha256:a") == Success(None)
        assert self.storage.module("sha256:a") is None

    def test_its_size_grows(self) -> None:
        """The bytes used are at least those of the blobs kept."""
        self.storage.append([make_group(1, bytes(1 << 20))], ())
        assert self.storage.size() >= 1 << 20

    def test_a_reader_sees_what_came_after_it_began(self) -> None:
        """An iterator goes on over appends, and none of its groups is missed or doubled."""
        self.storage.append([make_group(seq) for seq in range(1, 31)], ())
        seen = []
        for group in self.storage.groups(0, 40):
            seen.append(group.seq)
            if len(seen) == 5:
                self.storage.append([make_group(seq) for seq in range(31, 51)], ())
        assert seen in (list(range(1, 31)), list(range(1, 41)))

    def test_everything_survives_a_restart(self) -> None:
        """A durable storage has all of it again after it was closed and opened."""
        group, row = make_group(1, b"x", first=5), Row("agents", "1", {"name": "ada"}, b"body")
        self.storage.append([group], [row])
        self.storage.index([make_entry("c:a", 1)], 1)
        self.storage.put_module("sha256:a", b"m")
        opened = self.reopen()
        if opened is None:
            return
        assert opened == Success(None)
        assert list(self.storage.groups(0)) == [group]
        assert self.storage.get("agents", "1") == row
        assert (self.storage.find("c:a"), self.storage.indexed_upto()) == ([1], 1)
        assert self.storage.module("sha256:a") == b"m"
        assert self.storage.append([make_group(2)], ()) == Success(None)
