"""What every storage does with the rows of its tables, and with the bytes of modules.

Rules:
- Part of `testing_storages`, where the whole suite is put together.
"""

from __future__ import annotations

from returns.result import Success

from caxton_core.ids import ModuleDigest
from caxton_core.ports import TABLES, Row
from caxton_core.testing_storages_groups import StorageCase, make_group

MODULE = b"\x00asm"
DIGEST = ModuleDigest.of(MODULE)


class RowsContract(StorageCase):
    """A key of a table has one row, the last one put."""

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

    def test_the_oldest_rows_are_found(self) -> None:
        """Rows come by age: those created before a time, the oldest first, no more than were asked for."""
        ages = [5, 1, 4, None, 2, 3, 1]
        rows = [Row("events", f"{n}", {"created": age}) for n, age in enumerate(ages)]
        self.storage.append((), rows)
        self.storage.append((), [Row("events", "4", {}, deleted=True)])
        assert self.storage.older("events", 5, limit=9) == ["1", "6", "5", "2"]
        assert self.storage.older("events", 5, limit=3) == ["1", "6", "5"]
        assert self.storage.older("events", 1, limit=9) == []
        assert self.storage.older("client_ids", 9, limit=9) == []

    def test_a_table_without_a_time_has_no_age(self) -> None:
        """Asking for old rows of a table without a `created` is a bug."""
        try:
            self.storage.older("agents", 5, limit=1)
        except KeyError:
            return
        raise AssertionError("a table without a time had old rows")


class ModulesContract(StorageCase):
    """Modules are bytes by digest."""

    def test_modules_are_kept_by_digest(self) -> None:
        """A module's bytes are there until they are deleted; putting or deleting them twice is no error."""
        for _ in range(2):
            assert self.storage.put_module(DIGEST, MODULE) == Success(None)
        assert self.storage.module(DIGEST) == MODULE
        for _ in range(2):
            assert self.storage.delete_module(DIGEST) == Success(None)
        assert self.storage.module(DIGEST) is None

    def test_modules_are_listed(self) -> None:
        """The digests of all modules come in order."""
        assert self.storage.modules() == []
        for data in (b"one", b"two", b"three"):
            self.storage.put_module(ModuleDigest.of(data), data)
        self.storage.delete_module(ModuleDigest.of(b"two"))
        assert self.storage.modules() == sorted(map(ModuleDigest.of, (b"one", b"three")))
