"""What a Python program expects around itself and a component does not have, replaced by what the node offers.

Rules:
- clocks tell when the step began; random numbers come from the node; `print` and `logging` go to the log;
- what can't be had, a file or a module that was not imported at build time, is an exception that says so: without this
  module it would end the instance, and nobody would know why.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import io
import linecache
import logging
import os
import random
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from caxton_agent import clocks
from caxton_agent.hosts import host, inside
from caxton_agent.logs import LogHandler, LogWriter

_real_urandom = os.urandom


class LateImports:
    """Refuses modules that are not there: there are no files to find them in."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> NoReturn:
        """Say what to do instead."""
        raise ModuleNotFoundError(
            f"{name!r} was not imported when the agent was built; import it at the top of a module",
            name=name,
        )


def _urandom(size: int) -> bytes:
    return host().random(size) if inside() else _real_urandom(size)


def _no_files(file: Any, *arguments: Any, **more: Any) -> NoReturn:
    raise PermissionError(f"an agent has no files: {file!r}")


def prepare() -> None:
    """Replace, before the agent's modules are imported, what they may keep a reference to."""
    clocks.replace()
    os.urandom = _urandom
    # The module has taken the real one for SystemRandom.
    random._urandom = _urandom  # type: ignore[attr-defined]  # that is where it is
    root = logging.getLogger()
    root.addHandler(LogHandler())
    root.setLevel(logging.DEBUG)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def remember_sources() -> None:
    """Read the sources of what was imported, so that an exception can show its lines."""
    library = os.path.dirname(os.__file__)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and not file.startswith(library):
            linecache.getlines(file)


def close() -> None:
    """Close what leads out of the component; when an instance starts, in its first step."""
    builtins.open = io.open = _no_files
    linecache.checkcache = lambda filename=None: None
    linecache.updatecache = lambda filename, module_globals=None: []
    kept = (importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter)
    sys.meta_path[:] = [*kept, LateImports]
    sys.stdout, sys.stderr = LogWriter("info"), LogWriter("error")
    # The state it was given at build time is the same in every instance.
    random.seed(int.from_bytes(host().random(32), "big"))


def flush() -> None:
    """Write what was printed without a line break."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LogWriter):
            stream.flush()
