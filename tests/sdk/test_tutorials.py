"""The pages of `docs/agents`: whoever follows them, file by file and command by command, sees what they show."""

from __future__ import annotations

import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.examples.compilers import ROOT, missing
from tests.server.authoring.agents import caches

PAGES = ROOT / "docs" / "agents"
README: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "readme.py"))
# A file to be saved, its name in the sentence before it; or commands.
PIECE = re.compile(
    r"Save this as\s+`([\w./-]+)`[^`]*?(?:\[[^\]]*\]\([^)]*\)[^`]*?)?\n\n```\w+\n(.*?)^```$|^```bash\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("installed")]


def script(page: str) -> str:
    """Turn a page into a shell script: what is to be saved is written, and its commands are run."""
    parts = []
    for name, text, commands in PIECE.findall(page):
        parts.append(
            f"cat > {name} <<'END OF THE FILE'\n{text}END OF THE FILE\n" if name else commands
        )
    return "".join(parts)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("index", "c"),
        ("tests", "c"),
        ("c", "c"),
        ("zig", "zig"),
        ("assemblyscript", "ts"),
        ("python", "py"),
        ("javascript", "js"),
    ],
)
def test_a_page_does_what_it_says(name: str, language: str, tmp_path: Path) -> None:
    """Every command succeeds, and what the page says is shown is shown, in this order."""
    lost = missing(language)
    if lost is not None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lost)
    page = (PAGES / f"{name}.md").read_text()
    port, metrics = README["free_ports"](2)
    programs = Path(sys.executable).parent
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("CAXTON_")},
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        **caches(tmp_path / "cache"),
        "CAXTON_SERVER__PORT": str(port),
        "CAXTON_SERVER__METRICS_PORT": str(metrics),
        "CAXTON_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    commands = README["PREAMBLE"] + script(page).replace(":8080", f":{port}")
    code, printed = README["run"](commands, tmp_path, environment)
    assert code == 0
    assert README["missing"](page, printed) == []
    assert README["SHOWS"].search(page)


def test_every_language_has_a_page_that_is_followed() -> None:
    """No page of this folder is left out, but the one whose agent has a test of its own."""
    followed = {"index", "tests", "c", "zig", "assemblyscript", "python", "javascript"}
    assert {path.stem for path in PAGES.glob("*.md")} == followed | {"wat"}


def test_every_file_to_be_saved_is_found() -> None:
    """A sentence that says to save a file is understood as such."""
    for path in PAGES.glob("*.md"):
        if path.stem != "wat":
            page = path.read_text()
            files = [name for name, _, _ in PIECE.findall(page) if name]
            assert len(files) == len(re.findall(r"Save\s+this\s+as", page))
