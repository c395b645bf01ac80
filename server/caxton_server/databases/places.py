"""Where a database is: its storage made as the server makes it, opened to read beside a node or to write in its place.

Rules:
- What only reads takes no lock, creates nothing and migrates nothing, so a node may be running.
- What writes holds the lock of the data folder, as a node does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from caxton_core.errors import InvalidSetting, StorageError, Unreadable
from caxton_core.hookspecs import StorageOptions
from returns.result import Failure, Result, Success

from caxton_server.runtime.folders import WATERMARK, Folder

if TYPE_CHECKING:
    from pathlib import Path

    from caxton_core.ports import Storage
    from caxton_core.registry import Registry

    from caxton_server.config import Config

PlaceError: TypeAlias = StorageError | InvalidSetting

_USER = re.compile(r"(?<=//)[^/@]*@")


class Place:
    """An open storage, with the lock of its folder where it was opened to write."""

    def __init__(self, storage: Storage, folder: Folder | None = None) -> None:
        self.storage, self.folder = storage, folder

    def forget_end(self) -> None:
        """Forget what the folder tells of the data before, which ended elsewhere."""
        if self.folder is not None:
            for path in (self.folder.mark, self.folder.watermark):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the storage, then let others have the folder."""
        self.storage.close()
        if self.folder is not None:
            self.folder.close()


def name_of(url: str) -> str:
    """Return what people call the database at a URL: a path for a file, else the URL without who logs in.

    >>> name_of("sqlite:///data/caxton.db"), name_of("postgresql://me:secret@db/caxton")
    ('data/caxton.db', 'postgresql://db/caxton')
    """
    return _USER.sub("", url.removeprefix("sqlite:///"))


def storage_of(
    config: Config, registry: Registry, *, read_only: bool = False
) -> Result[Storage, PlaceError]:
    """Make the storage that the scheme of `storage.url` chooses, without opening it."""
    given = config.storage
    scheme = given.url.partition(":")[0]
    kind = registry.storage(scheme)
    if kind is None:
        origin = str(config.origin("storage.url"))
        return Failure(InvalidSetting(origin, "storage.url", f"no plugin stores {scheme}: URLs"))
    settings = config.plugins.settings.get(kind.name, {})
    known: Mapping[str, Any] = settings if isinstance(settings, Mapping) else {}
    return kind.make(StorageOptions(given.url, given.durability, known, read_only))


def committed(config: Config) -> int:
    """Return the newest group that a node has committed by its watermark, 0 when there is none."""
    folder = config.storage.folder()
    if folder is None:
        return 0
    try:
        return int.from_bytes((folder / WATERMARK).read_bytes()[:8], "little")
    except OSError:
        return 0


def open_to_read(config: Config, registry: Registry) -> Result[Place, PlaceError]:
    """Open the database beside whoever writes it."""
    return _kept(config, registry, read_only=True).bind(lambda made: _open(made, None))


def open_to_write(config: Config, registry: Registry, *, create: bool) -> Result[Place, PlaceError]:
    """Lock the data folder and open the database; where there is no folder only if it may be created."""
    made = _kept(config, registry, read_only=False)
    if isinstance(made, Failure):
        return made
    path = config.storage.folder()
    if path is None:
        return _open(made.unwrap(), None)
    if not create and not path.is_dir():
        return Failure(Unreadable(str(path), "there is no such folder"))
    folder = Folder.open(path)
    if isinstance(folder, Failure):
        return Failure(folder.failure())
    return _open(made.unwrap(), folder.unwrap())


def open_archive(path: Path, registry: Registry, *, read_only: bool) -> Result[Storage, PlaceError]:
    """Open the SQLite file of a backup."""
    kind = registry.storage("sqlite")
    if kind is None:
        return Failure(InvalidSetting("plugins", "sqlite", "a backup needs this storage"))
    if read_only and not path.is_file():
        return Failure(Unreadable(str(path), "there is no such file"))
    made = kind.make(StorageOptions(f"sqlite:///{path}", "disk", {}, read_only))
    return made.bind(lambda storage: _open(storage, None)).map(lambda place: place.storage)


def _kept(config: Config, registry: Registry, *, read_only: bool) -> Result[Storage, PlaceError]:
    """Make the storage, unless what it keeps is gone with the process that runs the node."""
    made = storage_of(config, registry, read_only=read_only)
    if isinstance(made, Success) and not made.unwrap().blocks:
        origin = str(config.origin("storage.url"))
        reason = f"{config.storage.url} is kept in the process of its node alone"
        return Failure(InvalidSetting(origin, "storage.url", reason))
    return made


def _open(storage: Storage, folder: Folder | None) -> Result[Place, PlaceError]:
    place = Place(storage, folder)
    opened = storage.open()
    if isinstance(opened, Failure):
        place.close()
        return Failure(opened.failure())
    return Success(place)
