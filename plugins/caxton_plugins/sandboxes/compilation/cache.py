"""Compiled modules on disk, keyed by digest and by all that compiled code depends on.

Rules:
- Compiled code is native code: an entry is loaded only when its bytes have the checksum that was kept beside it, and
  what is loaded is those bytes, not a mapping of a file that somebody may write to or cut: small code as bytes, large
  code as a copy that has no name, so that nobody can open it. That is mapped, and takes no more memory than is used of it.
- The checksum file is renamed into place last, so an entry is whole or absent; a broken one is compiled again.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from caxton_plugins.sandboxes.compilation.surveys import Survey

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_PIECE: Final = 1 << 20


class Entry(msgspec.Struct, frozen=True):
    """What is kept beside compiled code."""

    checksum: str
    survey: Survey


class Cache:
    """A folder of compiled modules; several processes may share it."""

    def __init__(self, folder: str, fingerprint: Callable[[str], str]) -> None:
        self._fingerprint = fingerprint
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="caxton-modules-")
        self._root = Path(self._temporary.name if self._temporary else folder)

    def _folder(self, profile: str) -> Path:
        folder = self._root / f"{profile}-{self._fingerprint(profile)}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def find(self, digest: str, profile: str) -> tuple[bytes, Survey] | None:
        """Return the compiled code and survey of a module, if there is a sound entry."""
        entry = self._entry(digest, profile)
        if entry is None:
            return None
        try:
            code = self._home(digest, profile).read_bytes()
        except OSError:
            return None
        return (code, entry.survey) if checksum(code) == entry.checksum else None

    def find_file(self, digest: str, profile: str) -> tuple[int, Survey] | None:
        """Do as `find`, with the code in a nameless file: its descriptor, which only reads, is the caller's to close."""
        entry = self._entry(digest, profile)
        if entry is None:
            return None
        hashed = hashlib.sha256()
        copy = self.room(profile)
        try:
            with (
                self._home(digest, profile).open("rb", buffering=0) as file,
                copy.open("wb") as into,
            ):
                while piece := file.read(_PIECE):
                    hashed.update(piece)
                    into.write(piece)
            descriptor = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        finally:
            copy.unlink(missing_ok=True)
        if hashed.hexdigest() != entry.checksum:
            os.close(descriptor)
            return None
        return descriptor, entry.survey

    def _entry(self, digest: str, profile: str) -> Entry | None:
        if _DIGEST.fullmatch(digest) is None:
            return None
        try:
            note = self._home(digest, profile).with_suffix(".json").read_bytes()
            return msgspec.json.decode(note, type=Entry)
        except (OSError, msgspec.DecodeError):
            return None

    def _home(self, digest: str, profile: str) -> Path:
        return self._folder(profile) / f"{digest.removeprefix('sha256:')}.cwasm"

    def room(self, profile: str) -> Path:
        """Return a new name to compile to."""
        handle, name = tempfile.mkstemp(suffix=".part", dir=self._folder(profile))
        os.close(handle)
        return Path(name)

    def keep(self, digest: str, profile: str, code: Path, survey: Survey) -> None:
        """Make an entry of what was compiled to `room`."""
        home = self._home(digest, profile)
        note = code.with_suffix(".note")
        note.write_bytes(msgspec.json.encode(Entry(checksum(code.read_bytes()), survey)))
        code.replace(home)
        note.replace(home.with_suffix(".json"))

    def forget(self, digest: str, profile: str) -> None:
        """Drop an entry that turned out to be useless."""
        self._home(digest, profile).with_suffix(".json").unlink(missing_ok=True)

    def probed(self, profile: str) -> bool:
        """Whether this engine was built in a child process before."""
        return (self._folder(profile) / "probed").exists()

    def remember_probe(self, profile: str) -> None:
        """Note that this engine can be built here."""
        (self._folder(profile) / "probed").touch()

    def close(self) -> None:
        """Remove the folder if it is a temporary one."""
        if self._temporary:
            self._temporary.cleanup()


def checksum(code: bytes) -> str:
    """Hash compiled code."""
    return hashlib.sha256(code).hexdigest()
