"""Backups: a database copied into one SQLite file that describes itself, and back from it.

Rules:
- An archive has the form of a SQLite storage and one row more: its manifest, with counts and a digest over everything.
- It is written under another name, read back, made durable, and only then has its name.
- It is verified before and after it is restored; what is being restored is marked, and no node starts on it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec
from caxton_core import __version__
from caxton_core.errors import (
    Conflict,
    Problem,
    StorageFault,
    StorageUnavailable,
    Unfinished,
    Unreadable,
)
from caxton_core.ports import TABLES, Row
from returns.result import Failure, Result, Success

from caxton_server.databases.checks import check
from caxton_server.databases.copies import copy, lacks_modules, must
from caxton_server.databases.folds import ARCHIVE, OWN, canonical
from caxton_server.databases.places import PlaceError, open_archive
from caxton_server.databases.tables import pages
from caxton_server.databases.walks import TRIES, Pruned, sound, span_of
from caxton_server.runtime.unfinished import begun, finished, unfinished

if TYPE_CHECKING:
    from caxton_core.ports import Group, Storage
    from caxton_core.registry import Registry


class Manifest(msgspec.Struct, frozen=True):
    """What an archive holds; `digest` is the SHA-256 over its groups, modules and rows."""

    caxton: str
    created: str
    first_group: int
    last_group: int
    groups: int
    modules: int
    rows: dict[str, int]
    digest: str


class BrokenArchive(Problem, frozen=True):
    """An archive, or what was made from it, is not what its manifest says."""

    place: str
    wrong: tuple[str, ...]
    code = "conflict"

    def __str__(self) -> str:
        return "\n".join((f"{self.place} can't be used:", *self.wrong))


ArchiveError: TypeAlias = PlaceError | Conflict | BrokenArchive


class _Digest:
    """A digest over groups, then modules, then rows."""

    def __init__(self) -> None:
        self.groups = 0
        self._sha = sha256()

    def group(self, group: Group) -> None:
        self.groups += 1
        head = (group.seq, group.first_time, group.last_time, group.count, len(group.blob))
        self._sha.update(b"group %d %d %d %d %d\n" % head)
        self._sha.update(group.blob)

    def add(self, kind: bytes, data: bytes) -> None:
        self._sha.update(b"%s %d\n" % (kind, len(data)))
        self._sha.update(data)

    def __str__(self) -> str:
        return f"sha256:{self._sha.hexdigest()}"


def describe(storage: Storage, *, created: str, journal: str | None = None) -> Manifest:
    """Read everything a storage holds and return its manifest; raises `StorageFault`.

    Args:
        created: when the archive was made.
        journal: the digest over its groups alone, if that is known from elsewhere.
    """
    span, digest = span_of(storage), _Digest()
    for group in sound(storage, span.first, span.last) if span.first else ():
        digest.group(group)
    if journal is not None and str(digest) != journal:
        raise StorageFault(StorageUnavailable("the groups read back are not those written"))
    modules = storage.modules()
    for name in modules:
        digest.add(name.encode(), storage.module(name) or b"")
    rows = dict.fromkeys(TABLES, 0)
    for table in TABLES:
        for page in pages(storage, table):
            for row in page:
                if (table, row.key) not in OWN:
                    rows[table] += 1
                    digest.add(b"row", canonical(row))
    return Manifest(
        __version__, created, span.first, span.last, digest.groups, len(modules), rows, str(digest)
    )


def manifest_of(storage: Storage) -> Manifest | None:
    """Return the manifest of an archive, None when it has none that can be read."""
    row = storage.get("meta", ARCHIVE)
    if row is None:
        return None
    try:
        return msgspec.json.decode(row.body, type=Manifest)
    except msgspec.MsgspecError:
        return None


def verify(path: Path, storage: Storage) -> Result[Manifest, ArchiveError]:
    """See that an archive is whole, and what its manifest says; reads all of it."""
    try:
        manifest = manifest_of(storage)
        if manifest is None:
            return Failure(BrokenArchive(str(path), ("It is no finished backup of Caxton.",)))
        return _compare(path, storage, manifest, building=False).map(lambda _: manifest)
    except StorageFault as fault:
        return Failure(BrokenArchive(str(path), (str(fault.error),)))


def _compare(
    path: Path, storage: Storage, manifest: Manifest, *, building: bool
) -> Result[None, ArchiveError]:
    report = check(storage, building=building)
    wrong = list(report.wrong)
    if not wrong:
        found = describe(storage, created=manifest.created)
        found = msgspec.structs.replace(found, caxton=manifest.caxton)
        if found != manifest:
            wrong.append(f"It holds {_shown(found)}; its manifest says {_shown(manifest)}.")
    return Failure(BrokenArchive(str(path), tuple(wrong))) if wrong else Success(None)


def _shown(manifest: Manifest) -> str:
    return (
        f"{manifest.groups} groups, {manifest.modules} modules, {sum(manifest.rows.values())} rows,"
        f" {manifest.digest}"
    )


# Backing up


def backup(
    source: Storage, path: Path, registry: Registry, *, replace: bool = False
) -> Result[Manifest, ArchiveError]:
    """Write a verified archive of a database that others may be writing."""
    if path.exists() and not replace:
        return Failure(Conflict(f"{path} exists already"))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        made = _attempts(source, part, registry)
        if isinstance(made, Success):
            _sync(part)
            part.replace(path)
            _sync(path.parent)
        return made
    except StorageFault as fault:
        return Failure(fault.error)
    except OSError as error:
        return Failure(Unreadable(str(path), error.strerror or str(error)))
    finally:
        _remove(part, *_beside(part))


def _attempts(source: Storage, part: Path, registry: Registry) -> Result[Manifest, ArchiveError]:
    for _ in range(TRIES):
        _remove(part, *_beside(part))
        try:
            return _write(source, part, registry)
        except Pruned:
            continue
    return Failure(StorageUnavailable("groups are pruned faster than they can be copied"))


def _write(source: Storage, part: Path, registry: Registry) -> Result[Manifest, ArchiveError]:
    work = unfinished(source)
    if work is not None:
        return Failure(Unfinished(work))
    # Whatever the folder is like: what is in it is nobody else's business.
    part.touch(mode=0o600)
    opened = open_archive(part, registry, read_only=False)
    if isinstance(opened, Failure):
        return Failure(opened.failure())
    with contextlib.closing(opened.unwrap()) as target:
        digest = _Digest()
        copy(source, target, work="backup", see=digest.group)
        if lacks_modules(target):
            # One that was new was removed again before it was copied.
            raise Pruned
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        manifest = describe(target, created=created, journal=str(digest))
        row = Row("meta", ARCHIVE, {}, msgspec.json.encode(manifest))
        must(target.append((), [row, finished()]))
    _lay_to_rest(part)
    opened = open_archive(part, registry, read_only=True)
    if isinstance(opened, Failure):
        return Failure(opened.failure())
    with contextlib.closing(opened.unwrap()) as archive:
        return verify(part, archive)


def _lay_to_rest(path: Path) -> None:
    """Have a database be one file, that can be read where nothing can be written and no file appears beside."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StorageFault(Unreadable(str(path), str(error))) from error


def _beside(path: Path) -> tuple[Path, Path]:
    """Return the files that SQLite keeps beside a database that is written."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


# Restoring


def is_empty(storage: Storage) -> bool:
    """Tell whether nothing would be lost with what a storage holds: it has nothing, or a restore that was not finished."""
    if unfinished(storage) == "restore":
        return True
    return (
        not storage.last_group()
        and not storage.modules()
        and not any(storage.list(table, {}, after=None, limit=1) for table in TABLES)
    )


def restore(
    path: Path, target: Storage, registry: Registry, *, replace: bool = False
) -> Result[Manifest, ArchiveError]:
    """Fill a storage from an archive; what it held before only goes if `replace` says so."""
    try:
        opened = open_archive(path, registry, read_only=True)
        if isinstance(opened, Failure):
            return Failure(opened.failure())
        with contextlib.closing(opened.unwrap()) as archive:
            verified = verify(path, archive)
            if isinstance(verified, Failure):
                return verified
            if not is_empty(target) and not replace:
                return Failure(Conflict("there is data already where it would go"))
            _empty(target)
            copy(archive, target, work="restore")
        filled = _compare(path, target, verified.unwrap(), building=True)
        if isinstance(filled, Failure):
            return Failure(filled.failure())
        must(target.append((), [finished()]))
        return verified
    except StorageFault as fault:
        return Failure(fault.error)


def _empty(target: Storage) -> None:
    """Take everything out of a storage, which is marked from then on."""
    must(target.append((), [begun("restore")]))
    must(target.truncate(0))
    must(target.clear_projections([begun("restore")]))
    for digest in target.modules():
        must(target.delete_module(digest))
