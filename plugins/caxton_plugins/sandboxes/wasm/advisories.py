"""Known advisories for wasmtime, and which of them concern the library that is installed.

Rules:
- What counts is the version inside the native library: the Python distribution has a number of its own.
- The list is a file, `advisories.json`, and as old as it says; nothing is fetched.
- An advisory for a part that no engine of ours has switched on is told apart, not hidden.
"""

from __future__ import annotations

import functools
import mmap
import platform
import re
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

Version: TypeAlias = tuple[int, int, int]

USED: Final = frozenset({"core", "components"})
"""The parts of wasmtime that guests can reach, of this sandbox or of the one for components, where nothing is
asynchronous; beside these, the machine's own code generator."""

_IN_LIBRARY: Final = re.compile(
    rb"version: (\d{1,4})\.(\d{1,4})\.(\d{1,4})\n\nThis is a bug in Wasmtime"
)
_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_MACHINES: Final = {"arm64": "aarch64", "amd64": "x86_64"}


class Advisory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One advisory in RustSec's terms; `part` is what of wasmtime it is about."""

    id: str
    aliases: tuple[str, ...]
    date: str
    title: str
    part: str
    patched: tuple[str, ...]
    unaffected: tuple[str, ...]


class Advisories(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The list that is shipped, with its date, its source and what it lacks."""

    as_of: str
    source: str
    gaps: str
    advisories: tuple[Advisory, ...]


@functools.cache
def shipped() -> Advisories:
    """Return the list that came with this release."""
    text = (files("caxton_plugins.sandboxes.wasm") / "advisories.json").read_bytes()
    return msgspec.json.decode(text, type=Advisories)


def concerning(version: Version) -> tuple[list[Advisory], list[Advisory]]:
    """Return the advisories for a version: those for parts that are used here, and the others."""
    used = USED | {_MACHINES.get(platform.machine().lower(), platform.machine().lower())}
    found = [one for one in shipped().advisories if affects(one, version)]
    return [one for one in found if one.part in used], [
        one for one in found if one.part not in used
    ]


def affects(advisory: Advisory, version: Version) -> bool:
    """Tell whether a version has what an advisory describes."""
    return not any(allows(range_, version) for range_ in (*advisory.patched, *advisory.unaffected))


def allows(range_: str, version: Version) -> bool:
    """Tell whether a version is in a range such as `>= 36.0.7, < 37.0.0`.

    >>> allows(">= 36.0.7, < 37.0.0", (36, 0, 8)), allows(">= 36.0.7, < 37.0.0", (37, 0, 0))
    (True, False)
    """
    for bound in range_.split(","):
        operator, _, text = bound.strip().partition(" ")
        limit = parse(text)
        if limit is None or operator not in (">=", "<"):
            raise ValueError(f"{range_!r} is no range of versions")
        if (version >= limit) is not (operator == ">="):
            return False
    return True


def parse(text: str) -> Version | None:
    """Read a version of three numbers."""
    found = _VERSION.fullmatch(text.strip())
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def native_version(library: Path) -> Version | None:
    """Return the version that is written into a native library; None where it is not to be found."""
    with (
        library.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        found = _IN_LIBRARY.search(content)
        return None if found is None else (int(found[1]), int(found[2]), int(found[3]))
