"""The languages agents are written in: one table, which every command and test reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from caxton_server.authoring.javascript import JAVASCRIPT
from caxton_server.authoring.node import ASSEMBLYSCRIPT
from caxton_server.authoring.python import PYTHON
from caxton_server.authoring.toolchains import Language
from caxton_server.authoring.zig import ZIG, C

LANGUAGES: Final[Mapping[str, Language]] = {
    each.name: each for each in (C, ZIG, ASSEMBLYSCRIPT, PYTHON, JAVASCRIPT)
}
"""Every language by its name, which is also that of its folder in the SDK."""
