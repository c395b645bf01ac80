"""Compiled modules on disk, keyed by digest and by all that compiled code depends on.

Rules:
- Compiled code is native code: an entry is loaded only when its bytes have the checksum that was kept beside it, and
  what is loaded is those bytes, not a mapping of a file that somebody may write to or cut.
- The checksum file is renamed into place last, so an entry is whole or absent; a broken one is compiled again.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from caxton_plugins.sandboxes.wasm.engines import fingerprint
from caxton_plugins.sandboxes.wasm.modules import Survey

_DIGEST: Final = re.compile(r"sha256:([0-9a-f]{64})")


class Entry(msgspec.Struct, frozen=True):
    """What is kept beside compiled code."""

    checksum: str
    survey: Survey


class Cache:
    """A folder of compiled modules; several processes may share it."""

    def __init__(self, folder: str) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="caxton-modules-")
        self._root = Path(self._temporary.name if self._temporary else folder)

    def _folder(self, profile: str) -> Path:
        folder = self._root / f"{profile}-{fingerprint(profile)}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def find(self, digest: str, profile: str) -> tuple[bytes, Survey] | None:
        """Return the compiled code and survey of a module, if there is a sound entry."""
        named = _DIGEST.fullmatch(digest)
        if named is None:
            return None
        home = self._folder(profile) / f"{named[1]}.cwasm"
        try:
            entry = msgspec.json.decode(home.with_suffix(".json").read_bytes(), type=Entry)
            code = home.read_bytes()
        except (OSError, msgspec.DecodeError):
            return None
        return (code, entry.survey) if checksum(code) == entry.checksum else None

    def room(self, profile: str) -> Path:
        """Return a new name to compile to."""
        handle, name = tempfile.mkstemp(suffix=".part", dir=self._folder(profile))
        os.close(handle)
        return Path(name)

    def keep(self, digest: str, profile: str, code: Path, survey: Survey) -> None:
        """Make an entry of what was compiled to `room`."""
        home = self._folder(profile) / f"{digest.removeprefix('sha256:')}.cwasm"
        note = code.with_suffix(".note")
        note.write_bytes(msgspec.json.encode(Entry(checksum(code.read_bytes()), survey)))
        code.replace(home)
        note.replace(home.with_suffix(".json"))

    def forget(self, digest: str, profile: str) -> None:
        """Drop an entry that turned out to be useless."""
        home = self._folder(profile) / f"{digest.removeprefix('sha256:')}.json"
        home.unlink(missing_ok=True)

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
