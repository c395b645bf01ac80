"""What every storage does with the groups of the journal and with its index.

Rules:
- Part of `testing_storages`, where the whole suite is put together.
"""

from __future__ import annotations

from struct import pack, unpack
from zlib import crc32

from returns.result import Result, Success

from caxton_core.errors import StorageError
from caxton_core.ports import Group, IndexEntry, Storage


def make_group(seq: int, blob: bytes = b"records", *, first: int = 0, last: int = 0) -> Group:
    """Make a group as the journal does, with a checksum that is right."""
    return Group(seq, first, last or first, 1, crc32(blob), blob)


def make_entry(key: str, *groups: int) -> IndexEntry:
    """Make an index entry as the journal does."""
    return IndexEntry(key, groups[0], pack(f"<{len(groups)}I", *groups))


class StorageCase:
    """What the suites stand on: `storage` is an empty, open storage before each test."""

    storage: Storage

    def reopen(self) -> Result[None, StorageError] | None:
        """Close the storage and open it again on the same data; None when nothing survives."""
        return None


class GroupsContract(StorageCase):
    """Groups come back as they were, in order."""

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

    def test_a_reader_sees_what_came_after_it_began(self) -> None:
        """An iterator goes on over appends, and none of its groups is missed or doubled."""
        self.storage.append([make_group(seq) for seq in range(1, 31)], ())
        seen = []
        for group in self.storage.groups(0, 40):
            seen.append(group.seq)
            if len(seen) == 5:
                self.storage.append([make_group(seq) for seq in range(31, 51)], ())
        assert seen in (list(range(1, 31)), list(range(1, 41)))


class IndexContract(StorageCase):
    """The index leads from a key to groups."""

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

    def test_the_index_is_read_page_by_page(self) -> None:
        """All of it comes once, in the order of keys and of the first groups of entries."""
        entries = [make_entry("c:b", 1, 3), make_entry("a:7", 2), make_entry("c:a", 1, 2, 3)]
        later = [make_entry("c:b", 4), make_entry("d:é", 5)]
        self.storage.append([make_group(seq) for seq in range(1, 6)], ())
        self.storage.index(entries, 3)
        self.storage.index(later, 5)
        expected = {"a:7": [2], "c:a": [1, 2, 3], "c:b": [1, 3, 4], "d:é": [5]}
        for limit in (1, 2, 9):
            seen: list[IndexEntry] = []
            after: tuple[str, int] | None = None
            while page := self.storage.entries(after, limit):
                seen += page
                after = seen[-1].key, seen[-1].first
            places = [(entry.key, entry.first) for entry in seen]
            assert places == sorted(set(places))
            found: dict[str, list[int]] = {}
            for entry in seen:
                numbers = unpack(f"<{len(entry.groups) // 4}I", entry.groups)
                found.setdefault(entry.key, []).extend(numbers)
            assert found == expected

    def test_many_entries_at_once(self) -> None:
        """An index range may have thousands of keys."""
        self.storage.append([make_group(1)], ())
        self.storage.index([make_entry(f"c:{number}", 1) for number in range(3000)], 1)
        assert self.storage.find("c:2999") == [1]
