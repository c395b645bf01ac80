"""The shape of the tree: sizes, names, packages, and nothing that only one machine has."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = {"core", "plugins", "server"}
MOST_LINES = 400
# Names that would fit anything.
NO_NOUNS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}
BINARY = {".wasm", ".png", ".svg", ".ico", ".gz"}
# A path below one of these exists on somebody's machine, not in the project.
PRIVATE_PATH = re.compile(r"(?<![\w.*:\]-])/(?:work|farm|home/\w+|root|Users/\w+)/")


def tracked() -> list[Path]:
    """List the files of the project: what git tracks, or in an unpacked archive what is not hidden."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        names = [Path(name) for name in listed.stdout.split("\0") if name]
        return [name for name in names if (ROOT / name).is_file()]
    folders = [
        path
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith((".", "build"))
    ]
    return sorted(
        path.relative_to(ROOT)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts)
    )


FILES = tracked()
MODULES = [path for path in FILES if path.suffix == ".py"]
SOURCE_MODULES = [path for path in MODULES if path.parts[0] in SOURCES]


def read(path: Path) -> str:
    """Return the text of a file of the project."""
    return (ROOT / path).read_text(errors="replace")


def test_each_root_holds_one_package() -> None:
    """Each source root has exactly one package, named for the root."""
    assert {path.parts[:2] for path in SOURCE_MODULES} == {
        (root, f"caxton_{root}") for root in SOURCES
    }


def test_every_folder_of_sources_is_a_typed_package() -> None:
    """Every folder of sources is a package, and `py.typed` at its root says that it has types."""
    packages = {path.parent / "__init__.py" for path in SOURCE_MODULES}
    markers = {Path(root, f"caxton_{root}", "py.typed") for root in SOURCES}
    assert (packages | markers) - set(FILES) == set()


def test_modules_are_short_enough_to_read() -> None:
    """No module has more than 400 lines."""
    sizes = {path: len(read(path).splitlines()) for path in MODULES}
    assert {path: size for path, size in sizes.items() if size > MOST_LINES} == {}


def test_modules_are_named_for_what_is_in_them() -> None:
    """No module or package has a name that would fit anything."""
    vague = [path for path in MODULES if NO_NOUNS & set(path.with_suffix("").parts)]
    assert vague == []


def test_modules_open_with_their_duty() -> None:
    """Every source module has a docstring whose first line is a sentence."""
    duties = {path: ast.get_docstring(ast.parse(read(path))) for path in SOURCE_MODULES}
    silent = [
        path
        for path, duty in duties.items()
        if duty is None or not duty.splitlines()[0].endswith((".", ":"))
    ]
    assert silent == []


def test_tests_say_what_they_hold() -> None:
    """Every test function has a docstring: one sentence of behaviour."""
    silent = [
        f"{path}::{node.name}"
        for path in MODULES
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]
    assert silent == []


def test_nothing_names_a_place_outside_the_project() -> None:
    """No text of the project names a path that only one machine has."""
    named = {
        path: found
        for path in FILES
        if path.suffix not in BINARY and (found := PRIVATE_PATH.findall(read(path)))
    }
    assert named == {}


def test_lock_files_name_no_download_address() -> None:
    """A lock file says versions and digests, not where one machine fetched them."""
    addresses = [
        f"{path}: {name}"
        for path in FILES
        if path.name == "package-lock.json"
        for name, entry in json.loads(read(path))["packages"].items()
        if entry.get("resolved", "").startswith("http")
    ]
    assert addresses == []
