"""The documentation of the configuration says what the program does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from caxton_server.config import Config

PAGE = Path(__file__).parent.parent.parent / "docs" / "configuration.md"


def documented() -> dict[str, str]:
    """Return the default that the page gives each setting."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^## ([a-z_.]+)\n\nDefault (?:`([^`]+)`|none)\.", text, re.MULTILINE)
    return dict(found)


def test_the_defaults_are_the_documented_ones() -> None:
    """What the page calls a default is what nothing configured gives."""

    def written(value: Any) -> str:
        return "" if value in (None, (), {}, "off") else str(value)

    defaults = {name: written(value) for name, value in Config().flat().items()}
    assert {name: text.replace("off", "") for name, text in documented().items()} == defaults
