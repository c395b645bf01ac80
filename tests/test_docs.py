"""The documentation says what the program does: nothing is missing, nothing stale, no link is dead."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any, get_args

import pytest
from caxton_core import hookspecs
from caxton_core.acl_faults import Fault
from caxton_core.conversations_values import Reason
from caxton_core.registry import load
from caxton_server.config import SETTINGS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("examples/**/*.md")])
# What npm installs beside the examples has pages of its own.
PAGES = [page for page in PAGES if "node_modules" not in page.parts]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
REFERENCE: dict[str, Any] = runpy.run_path(str(DOCS / "reference.py"))


def headings(page: str) -> list[str]:
    """Return the headings of a page of `docs/`, without the marks of code."""
    return [text.strip("`") for text in HEADING.findall((DOCS / page).read_text())]


def anchor(heading: str) -> str:
    """Return the fragment by which a heading is linked."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", REFERENCE["PAGES"])
def test_reference_page_is_what_the_program_says(name: str) -> None:
    """Commands, routes, hooks, metrics and states are documented from the objects themselves."""
    assert (DOCS / name).read_text() == REFERENCE["PAGES"][name]()


def test_every_setting_has_a_heading() -> None:
    """Each setting is explained in docs/configuration.md, and nothing is explained that is none."""
    dotted = [
        heading for heading in headings("configuration.md") if re.fullmatch(r"\w+(\.\w+)+", heading)
    ]
    assert sorted(dotted) == sorted(SETTINGS)


def test_every_reason_of_a_refusal_is_explained() -> None:
    """Each reason for which a conversation refuses a message has its row, and no other has one."""
    rows = re.findall(r"^\| `([a-z-]+)` \|", (DOCS / "conversations.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(get_args(Reason))


def test_every_protocol_is_shown() -> None:
    """Each protocol has its section: both pictures, what is refused and why, and a command that is run."""
    sections = re.split(r"^## ", (DOCS / "protocols.md").read_text(), flags=re.MULTILINE)
    shown = {section.partition("\n")[0]: section for section in sections[2:]}
    protocols = load().unwrap().protocols()
    assert sorted(shown) == sorted({protocol.name for protocol in protocols})
    for name, section in shown.items():
        command = f"```bash\n.venv/bin/caxton conversation start {name} "
        for part in (
            f"<!-- states: {name} -->\n```mermaid\nstateDiagram",
            "```mermaid\nsequenceDiagram",
            "| refused | reason |",
            command,
        ):
            assert part in section, (name, part)


def test_every_reason_of_a_bad_text_is_explained() -> None:
    """Each reason why a text is no message in string form has its row."""
    page = (DOCS / "messages.md").read_text().partition("What can be wrong with a text")[2]
    rows = re.findall(r"^\| ((?:`[a-z0-9-]+`(?:, )?)+) \| [A-Z]", page, re.MULTILINE)
    told = [reason.strip("`") for row in rows for reason in row.split(", ")]
    assert sorted(told) == sorted(fault.value for fault in Fault)


def test_every_hook_has_a_test() -> None:
    """Each hook is tried by a test of its own, named for it."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    hooks = [name for name in vars(hookspecs) if name.startswith("caxton_")]
    assert [name for name in hooks if f"def test_hook_{name}(" not in tests] == []


def test_every_page_is_reached_from_the_index() -> None:
    """The index names every page of docs/."""
    index = DOCS / "index.md"
    named = {(DOCS / link.split("#")[0]).resolve() for link in LINK.findall(index.read_text())}
    pages = {page for page in PAGES if page.is_relative_to(DOCS)}
    assert pages - named - {index, DOCS / "adr" / "template.md"} == set()


def test_no_link_is_dead() -> None:
    """Every relative link of every page leads to a file, and its fragment to a heading."""
    dead = []
    for page in PAGES:
        for link in LINK.findall(page.read_text()):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, fragment = link.partition("#")
            target = (page.parent / name) if name else page
            if not target.exists() or (
                fragment and fragment not in map(anchor, HEADING.findall(target.read_text()))
            ):
                dead.append(f"{page.relative_to(ROOT)}: {link}")
    assert dead == []


def test_continuous_integration_runs_the_command_of_the_readme() -> None:
    """What the README calls the test command is, word for word, what .ci/run runs."""
    (command,) = re.findall(
        r"^```bash\n(.*/nox)\n```$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    assert command in (ROOT / ".ci" / "run").read_text().splitlines()


def test_changelog_has_a_place_for_the_next_release() -> None:
    """Changes that are not released yet have a section of their own, above the others."""
    sections = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0] == "[Unreleased]"
